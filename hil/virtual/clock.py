"""The time of one virtual phone: its process is told by a file when the bench hastens it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from hil.clock import ScaledClock


class PhoneClock(ScaledClock):
    """Appends a line to `file` for each change of pace: the monotonic instant, which all processes share, and the rate."""

    def __init__(self, rate: float, epoch: datetime, file: Path) -> None:
        super().__init__(rate, epoch)
        self._file = file
        file.unlink(missing_ok=True)

    def _set_rate(self, rate: float) -> float:
        since = super()._set_rate(rate)
        with self._file.open("a") as file:
            file.write(f"{since!r} {rate!r}\n")
        return since
