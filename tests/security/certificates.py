"""Certificates of a test's own, made with the openssl of this machine."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl() -> str | None:
    return shutil.which("openssl")


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: Path
    key: Path


def run(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


class Authority:
    """Somebody who signs certificates, in a folder of their own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.name = folder, name
        self.cert, self.key = folder / f"{name}.crt", folder / f"{name}.key"
        self.made_at = datetime.now(UTC).replace(microsecond=0)
        run("req", "-x509", *CURVE, "-keyout", self.key, "-out", self.cert, "-subj", f"/CN={name}", "-days", "365")

    def signs(self, name: str, *, hosts: tuple[str, ...] = (), days: tuple[int, int] = (-1, 300)) -> Pair:
        """A certificate for these host names, good between two days, counted from the making of the authority."""
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request, extra = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        run("req", "-new", *CURVE, "-keyout", pair.key, "-out", request, "-subj", f"/CN={name}")
        names = ",".join(f"IP:{host}" if host[0].isdigit() else f"DNS:{host}" for host in hosts)
        extra.write_text(f"subjectAltName={names}\n" if hosts else "basicConstraints=CA:FALSE\n")
        begin, end = (f"{self.made_at + timedelta(days=day):%Y%m%d%H%M%SZ}" for day in days)
        (self.folder / "index.txt").write_text("")
        (self.folder / "ca.cnf").write_text(
            f"[ca]\ndefault_ca=here\n[here]\ndatabase={self.folder}/index.txt\nnew_certs_dir={self.folder}\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n"
        )
        run(
            "ca", "-batch", "-notext", "-config", self.folder / "ca.cnf", "-cert", self.cert, "-keyfile", self.key,
            "-in", request, "-out", pair.cert, "-extfile", extra, "-startdate", begin, "-enddate", end,
        )  # fmt: skip
        pair.key.chmod(0o600)
        return pair
