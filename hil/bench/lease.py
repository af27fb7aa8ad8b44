"""One holder of a bench at a time, over processes: an advisory lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from hil.errors import LabFault


class Lease:
    """Lock on `<state>/lease`; the file says who holds it, for the message that the next one gets."""

    def __init__(self, state: Path, bench: str) -> None:
        self._file = state / "lease"
        self._bench = bench
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take the bench; `LabFault` naming its holder if somebody has it."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 4096).decode("utf-8", "replace")
            os.close(descriptor)
            raise LabFault("the bench is in use", bench=self._bench, tried=f"lock {self._file}", seen=_said(holder)) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps({"pid": os.getpid(), "user": user(), "since": _now()}).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the bench back; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def user() -> str:
    """Who runs this process, by name, or by number where the name is unknown."""
    with contextlib.suppress(KeyError, OSError):
        return getpass.getuser()
    return str(os.getuid())


def _said(holder: str) -> str:
    try:
        facts = json.loads(holder)
        return f"held by {facts['user']}, pid {facts['pid']}, since {facts['since']}"
    except (ValueError, KeyError, TypeError):
        return "held by a process that has not said who it is"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
