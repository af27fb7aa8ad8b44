"""Time as the phones of a bench live it; injected wherever time is read or passed.

A real bench has rate 1. A virtual bench has a rate of phone seconds in one real second, and its
phones, reference, CA and SNTP server share it. Spans and instants are in phone time unless a name
says `real`.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where code asks for the time and lets it pass."""

    @property
    def rate(self) -> float:
        """Phone seconds in one real second."""

    def now(self) -> datetime:
        """The instant in phone time, aware, in UTC."""

    def wait(self, event: threading.Event, span: float) -> bool:
        """Wait until `event` is set, at most `span` phone seconds; whether it is set."""


class ScaledClock:
    """Phone time that runs `rate` times as fast as real time since `epoch`, an instant common to both."""

    def __init__(self, rate: float = 1.0, epoch: datetime | None = None) -> None:
        self._rate = rate
        self._epoch = epoch or datetime.now(UTC)
        elapsed = (datetime.now(UTC) - self._epoch).total_seconds()
        self._start = time.monotonic() - elapsed

    @property
    def rate(self) -> float:
        return self._rate

    @property
    def epoch(self) -> datetime:
        """The instant at which phone time and real time agree."""
        return self._epoch

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=(time.monotonic() - self._start) * self._rate)

    def at(self, real: datetime) -> datetime:
        """Phone time at the real instant `real`, such as a packet's capture time."""
        return self._epoch + (real - self._epoch) * self._rate

    def wait(self, event: threading.Event, span: float) -> bool:
        return event.wait(max(0.0, span) / self._rate)


class ManualClock:
    """A clock for tests: time stands still until it is told to pass, or something waits."""

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._rate = rate

    @property
    def rate(self) -> float:
        return self._rate

    def now(self) -> datetime:
        return self._now

    def advance(self, span: float) -> None:
        """Let `span` phone seconds pass."""
        self._now += timedelta(seconds=span)

    def wait(self, event: threading.Event, span: float) -> bool:
        if not event.is_set():
            self.advance(span)
        return event.is_set()
