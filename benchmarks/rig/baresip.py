"""baresip as a phone: answers by itself, plays a WAV as its microphone, records what it hears. Needs baresip-core.

Its jitter buffer is off: that of version 1.0.0 keeps the sequence number of the last source when another takes over
(a new SSRC after a re-INVITE) and then drops the new one's packets as late in about half of the cases.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.rig.ports import free_ports
from benchmarks.rig.process import Process
from benchmarks.rig.tones import write_tone

CONFIG = """poll_method epoll
sip_listen 127.0.0.1:{port}
sip_trans_def udp
net_interface 127.0.0.1
call_local_timeout 120
call_max_calls 4
audio_player aubridge,null0
audio_source aufile,{folder}/microphone.wav
audio_alert aubridge,null1
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_txmode thread
audio_level no
rtp_ports {rtp}-{rtp_end}
rtcp_mux no
jitter_buffer_delay 0-0
module_path {modules}
module g711.so
module aufile.so
module account.so
module menu.so
module aubridge.so
module sndfile.so
snd_path {folder}
"""
MODULES = ("/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules", "/usr/local/lib/baresip/modules")


class Baresip:
    """A softphone of `user` that speaks a tone of `hertz`."""

    def __init__(
        self, folder: Path, user: str, hertz: float, tone_seconds: float = 60.0, registrar: str = "", password: str = ""
    ) -> None:
        """Start it; `folder` receives its configuration, its microphone and the recordings. `registrar`: host:port of
        the one that it registers with, by `password`.
        """
        binary = shutil.which("baresip")
        modules = next((path for path in MODULES if Path(path).is_dir()), None)
        if binary is None or modules is None:
            raise FileNotFoundError("baresip is not installed: apt-get install baresip-core")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_ports(2)  # the next one is its TLS side
        rtp = free_ports(22)
        write_tone(folder / "microphone.wav", hertz, tone_seconds)
        (folder / "config").write_text(
            CONFIG.format(port=self.port, folder=folder, rtp=rtp, rtp_end=rtp + 20, modules=modules)
        )
        home, rest = registrar or f"127.0.0.1:{self.port}", ";regint=0"
        if registrar:
            rest = f";auth_pass={password};regint=60"
        (folder / "accounts").write_text(
            f"<sip:{user}@{home}>{rest};answermode=auto;audio_codecs=PCMU/8000/1,PCMA/8000/1\n"
        )
        (folder / "contacts").write_text("")
        self.process = Process([binary, "-f", str(folder)], folder / "baresip.log")
        self.process.wait_ready(lambda: "baresip is ready" in self.process.tail(), 10.0, "baresip is ready")

    @property
    def address(self) -> str:
        """host:port of its SIP side."""
        return f"127.0.0.1:{self.port}"

    def heard(self) -> list[Path]:
        """The recordings of what came in, oldest first; complete once the call is over."""
        return sorted(self.folder.glob("dump-*dec.wav"), key=lambda path: path.stat().st_mtime)

    def stop(self) -> None:
        """End it."""
        self.process.stop(seconds=5.0)
