"""Install the real peers that the tests talk to, when run as root on Debian; else say what to install.

`python3 scripts/peers.py` exits 0 either way: a test whose peer is missing skips itself and says so (with CI set
in the environment it fails instead). The packages' services are not started: each test starts its own process on a
free port. Uses nothing newer than Python 3.6.
"""

import glob
import os
import shutil
import subprocess
import sys

#: command -> Debian package that has it; tests/conftest.py reads this table too
PEERS = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "mosquitto": "mosquitto",
    "promtool": "prometheus",
    "kamailio": "kamailio",
    "pg_ctl": "postgresql",
    "chromium": "chromium",
    "openssl": "openssl",
}
#: file (glob) -> Debian package that has it
FILES = {"/usr/lib/*/kamailio/modules/tls.so": "kamailio-tls-modules"}
POLICY = "/usr/sbin/policy-rc.d"
SEARCH = ":".join([os.environ.get("PATH", ""), "/usr/sbin:/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))])


def missing():
    """The packages of the peers that are not installed."""
    packages = {package for command, package in PEERS.items() if shutil.which(command, path=SEARCH) is None}
    return sorted(packages | {package for file, package in FILES.items() if not glob.glob(file)})


def apt(*arguments):
    """Run apt-get without questions; returns its exit code and the last line that it printed."""
    run = subprocess.run(
        ("apt-get", "-o", "Dpkg::Use-Pty=0", "-qq", *arguments),
        env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    lines = run.stdout.decode("utf-8", "replace").strip().splitlines()
    return run.returncode, lines[-1] if lines else ""


def install(packages):
    """Install `packages`; their services are not started."""
    fenced = not os.path.exists(POLICY)
    if fenced:
        with open(POLICY, "w") as file:
            file.write("#!/bin/sh\n# left by scripts/peers.py while it installs: start no service\nexit 101\n")
        os.chmod(POLICY, 0o755)
    try:
        code, last = apt("install", "-y", "--no-install-recommends", *packages)
        if code:
            apt("update")
            code, last = apt("install", "-y", "--no-install-recommends", *packages)
    finally:
        if fenced:
            os.remove(POLICY)
    return code, last


def main():
    """Install what is missing, or say how."""
    packages = missing()
    if not packages:
        return
    command = "apt-get install --no-install-recommends " + " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print("peers: some tests will skip; for them run (as root, on Debian): " + command, flush=True)
        return
    print("peers: " + command, flush=True)
    code, last = install(packages)
    if code:
        sys.stderr.write("peers: apt-get ended with %d: %s; the tests that need these peers will skip\n" % (code, last))


if __name__ == "__main__":
    main()
