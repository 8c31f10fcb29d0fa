"""`python -m dialer.media --fd N`: the media process, started by the dialer with one end of a socket pair as file N.

It ends when that socket does, and at nothing else: an interrupt typed at the terminal reaches it too, and must not
cut a message that the dialer is still letting people hear while it shuts down.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import socket
import sys

from dialer.media.server import serve


def main() -> int:
    """Run until the parent is gone; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dialer.media", description="The dialer's media process; started by the dialer."
    )
    parser.add_argument("--fd", type=int, required=True, help="inherited end of a Unix stream socket pair")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        sock = socket.socket(fileno=options.fd)
    except OSError as error:
        sys.stderr.write(f"dialer.media: file {options.fd} is not a socket: {error.strerror}\n")
        return 2
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        sys.stderr.write(f"dialer.media: file {options.fd} is not a Unix stream socket\n")
        return 2
    gc.freeze()
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(sock))
    else:
        uvloop.run(serve(sock))
    return 0


if __name__ == "__main__":
    sys.exit(main())
