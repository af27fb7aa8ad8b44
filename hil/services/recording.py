"""What passed through a proxy, in a folder that its owner alone can read.

    exchanges.jsonl         a line for each exchange
    0001-request.der        the pkiMessage that came
    0001-reply.der          what the upstream answered
    0001-answer.der         what was answered instead, where that is another
    tls-keys.log            TLS secrets of the upstream leg, as tshark reads them

A body that is no DER ends in `.txt` or `.bin`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

_DER = b"\x30"


class Recording:
    """Adds to what the folder holds already; any thread may."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._lines = folder / "exchanges.jsonl"
        self._lock = threading.Lock()
        self._count = len(self._lines.read_bytes().splitlines()) if self._lines.exists() else 0

    @property
    def key_log(self) -> Path:
        """Where TLS secrets go."""
        return self._folder / "tls-keys.log"

    def add(self, facts: Mapping[str, object], octets: Mapping[str, bytes | None]) -> None:
        """Write `octets`, those that there are, to files by their names, and a line of `facts` that names the files."""
        with self._lock:
            self._count += 1
            files = {}
            for name, content in octets.items():
                files[name] = f"{self._count:04}-{name}.{_suffix(content)}" if content else None
                if content:
                    _write(self._folder / str(files[name]), content, os.O_TRUNC)
            line = json.dumps({"number": self._count, **facts, "files": files})
            _write(self._lines, line.encode() + b"\n", os.O_APPEND)


def _suffix(content: bytes) -> str:
    if content.startswith(_DER):
        return "der"
    return "txt" if content.isascii() and b"\0" not in content else "bin"


def _write(file: Path, content: bytes, how: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600), "wb") as out:
        out.write(content)
