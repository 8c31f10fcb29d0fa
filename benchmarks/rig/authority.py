"""A certificate authority for one test: `openssl` makes its certificates, valid for a day, in a folder that is thrown
away.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Certificate"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files."""

    certificate: Path
    key: Path


class Authority:
    """Signs with a key of its own; `ca_file` is what those who trust it need. Raises CalledProcessError."""

    def __init__(self, folder: Path, name: str = "test") -> None:
        self.folder = folder
        self.name = name
        self.ca_file = folder / f"{name}-ca.pem"
        self._key = folder / f"{name}-ca.key"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
            "-subj", f"/CN={name} CA", "-keyout", str(self._key), "-out", str(self.ca_file),
        )  # fmt: skip

    def issue(self, name: str, *alternatives: str) -> Certificate:
        """A certificate with these subjectAltNames, such as `DNS:sip.example` and `IP:127.0.0.1`."""
        made = Certificate(self.folder / f"{self.name}-{name}.pem", self.folder / f"{self.name}-{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={','.join(alternatives)}\n" if alternatives else "")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(request),
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-days", "1", "-in", str(request), "-CA", str(self.ca_file), "-CAkey", str(self._key),
            "-CAcreateserial", "-extfile", str(extensions), "-out", str(made.certificate),
        )  # fmt: skip
        return made

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
