"""What the CA of a lab answered to whom, kept in memory and as JSON lines on disk."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterable
from datetime import UTC
from io import FileIO
from pathlib import Path

from hil.frozen import frozen
from hil.scep.ca import LedgerEntry

_ENCODER = json.JSONEncoder(ensure_ascii=False)


@frozen
class LedgerLine:
    """One answer of the CA that stands behind a device's slot."""

    device: str
    slot: int
    entry: LedgerEntry

    def to_json(self) -> dict[str, object]:
        """The line as written to disk; `issued` is the certificate in base64 DER."""
        entry = self.entry
        return {
            "device": self.device,
            "slot": self.slot,
            "at": entry.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "transaction_id": entry.transaction_id,
            "message_type": entry.message_type,
            "answer": entry.answer,
            "fail_info": entry.fail_info,
            "subject": entry.subject,
            "serial": entry.serial,
            "issued": base64.b64encode(entry.issued_der).decode() if entry.issued_der else None,
            "problem": entry.problem,
            "scripted": entry.scripted,
        }


class Ledger:
    """Lines in the order in which the CA answered; any thread may add and read.

    The file is open from the first line to `close`.
    """

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file: FileIO | None = None
        self._lock = threading.Lock()
        self._lines: list[LedgerLine] = []

    def add(self, line: LedgerLine) -> None:
        """Keep `line`, and append it to the file before anything else happens."""
        with self._lock:
            self._lines.append(line)
            if self._file is None:
                self._file = FileIO(self._path, "ab", opener=_private)
            self._file.write(_text(line).encode())

    def close(self) -> None:
        """Close the file; a line that comes later opens it again."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def lines(self, device: str | None = None, slot: int | None = None) -> tuple[LedgerLine, ...]:
        """All lines, or those of one device, or of one slot."""
        with self._lock:
            return tuple(
                line for line in self._lines if (device is None or line.device == device) and (slot is None or line.slot == slot)
            )


def _private(path: str, flags: int) -> int:
    """Who may read what a CA answered is its owner."""
    return os.open(path, flags, 0o600)


def write_ledger(lines: Iterable[LedgerLine], file: Path) -> None:
    """Write `lines` as JSON lines, in place of what the file held."""
    file.write_text("".join(map(_text, lines)), encoding="utf-8")


def _text(line: LedgerLine) -> str:
    return _ENCODER.encode(line.to_json()) + "\n"
