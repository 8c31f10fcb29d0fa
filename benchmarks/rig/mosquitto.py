"""Mosquitto as a broker that can be taken away and given back. Needs Debian's mosquitto."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
from pathlib import Path

from benchmarks.rig.ports import free_port
from benchmarks.rig.process import Process

SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Mosquitto:
    """A broker on a loopback port of its own, without passwords, that keeps sessions on disk."""

    def __init__(self, folder: Path) -> None:
        """Write its configuration into `folder` and start it."""
        binary = shutil.which("mosquitto", path=SEARCH)
        if binary is None:
            raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(socket.SOCK_STREAM)
        self._binary = binary
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        user = pwd.getpwuid(os.geteuid()).pw_name
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nmax_queued_messages 100000\nuser {user}\n"
        )
        self.process = self._start()

    def _start(self) -> Process:
        process = Process([self._binary, "-c", str(self._config)], self._log)
        process.wait_ready(self._listens, 10.0, f"mosquitto listens on {self.port}")
        return process

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Take it away; sessions are saved."""
        self.process.stop(seconds=5.0)

    def start(self) -> None:
        """Give it back."""
        self.process = self._start()
