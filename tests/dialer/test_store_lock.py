"""Two daemons on one store: the second does not start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dialer.store_lock import StoreInUse, only_daemon

HOLD = """
import sys
from dialer.store_lock import only_daemon
with only_daemon(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_store_has_one_daemon_until_that_one_is_done(tmp_path):
    url = f"sqlite:///{tmp_path}/dialer.db"
    with only_daemon(url), pytest.raises(StoreInUse, match="another dialer"), only_daemon(url):
        raise AssertionError("held twice")
    with only_daemon(url), only_daemon(f"sqlite:///{tmp_path}/other.db"):
        pass


def test_a_killed_daemon_holds_nothing(tmp_path):
    url = f"sqlite:///{tmp_path}/dialer.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdin=-1, stdout=-1) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StoreInUse), only_daemon(url):
            raise AssertionError("held twice")
        other.kill()
        other.wait()
        with only_daemon(url):
            pass
