"""What was seen in a sitting, and where: the proof that every fact carries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hil.capture.transcript import Exchange


@dataclass(frozen=True)
class Where:
    """The proof of a fact: a capture file of the sitting, a frame of it, and its instant in phone time.

    Or else an event log, and a line of it.
    """

    file: str
    frame: int | None
    time: datetime
    line: int | None = None


@dataclass(frozen=True)
class Seen:
    """An exchange of this scenario, in phone time, with the boot it belongs to."""

    exchange: Exchange
    boot: int
    file: str
    time: datetime
    since_power_on: float
    since_settings: float | None
    """Phone seconds since the boot's last settings file was served, None before that."""
    idle: float | None
    """Phone seconds since the device last got its settings or an answer from any slot's CA, None before that."""

    @property
    def where(self) -> Where:
        return Where(self.file, self.exchange.request_frame, self.time)
