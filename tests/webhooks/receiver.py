"""A company's receiver, as a process of its own: checks each signature, writes what it took into a file, answers.

`python receiver.py LOG SECRET [STATUS-OF-EVERY-N-TH]`; prints its port. Started by tests.
"""

from __future__ import annotations

import hashlib
import hmac
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        parts = dict(part.split("=", 1) for part in self.headers["Dialer-Signature"].split(","))
        digest = hmac.new(SECRET.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(digest, parts["v1"])
        self.server.asked += 1  # type: ignore[attr-defined]
        if good and self.server.asked % 7:  # type: ignore[attr-defined]
            with LOG.open("ab") as log:  # written before it is acknowledged
                log.write(body + b"\n")
            status = 200
        else:
            status = 503 if good else 401
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


if __name__ == "__main__":
    LOG, SECRET = Path(sys.argv[1]), sys.argv[2]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = 0  # type: ignore[attr-defined]
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()
