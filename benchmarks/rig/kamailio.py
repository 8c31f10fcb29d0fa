"""Kamailio as a carrier's proxy and registrar, its config made from a template. Needs Debian's kamailio."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.rig.process import Process

TLS_MODULE = "/usr/lib/*/kamailio/modules/tls.so"
"""Where Debian's kamailio-tls-modules puts what TLS needs, as a pattern."""


class Kamailio(Process):
    """A Kamailio in the foreground; `with` ends it. It may take a second until it answers."""

    def __init__(self, program: str, template: Path, values: Mapping[str, object], folder: Path) -> None:
        """Write `template` into `folder`, each word of `values` replaced, and start `program` with it."""
        folder.mkdir(parents=True, exist_ok=True)
        text = template.read_text()
        for word, value in values.items():
            text = text.replace(word, str(value))
        config = folder / template.name
        config.write_text(text)
        command = [program, "-f", str(config), "-DD", "-m", "32", "-M", "4", "-Y", str(folder)]
        super().__init__(command, folder / "kamailio.log")
