"""The phone's clock: phone seconds pass `rate` times as fast as real ones, and faster while the bench hastens it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

FIRMWARE_BUILT = 1704067200.0  # 2024-01-01, what a phone believes that never knew the time
_SLICE = 0.02  # real seconds after which a sleeper looks whether it is hastened
_SHORTEST = 1e-6  # phone seconds

Pace = tuple[float, float]
"""A monotonic instant, and the rate from there on."""


class PaceFile:
    """The paces that the bench appends to a file: a line each, monotonic instant and rate."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._size = 0
        self._paces: tuple[Pace, ...] = ()

    def __call__(self) -> Sequence[Pace]:
        """All paces so far."""
        size = self._file.stat().st_size if self._file.exists() else 0
        if size != self._size:
            lines = self._file.read_text().splitlines()
            self._paces = tuple((float(since), float(rate)) for since, rate in map(str.split, lines))
            self._size = size
        return self._paces


class Clock:
    """Time of day (Unix seconds, UTC) and time since power on, both in phone seconds."""

    def __init__(
        self,
        rate: float,
        believed: float = FIRMWARE_BUILT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        paces: Callable[[], Sequence[Pace]] = tuple,
    ) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._paces = paces
        self._power_on = monotonic()
        self._set_at = 0.0
        self._set_to = believed

    def now(self) -> float:
        """Time of day as the phone believes it."""
        return self._set_to + self.uptime() - self._set_at

    def set(self, epoch: float) -> None:
        """Believe from here on that it is `epoch`."""
        self._set_at, self._set_to = self.uptime(), epoch

    def uptime(self) -> float:
        """Phone seconds since power on."""
        return self._progress()[0]

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of phone time pass."""
        end = self.uptime() + seconds
        while True:
            now, rate = self._progress()
            if end - now < _SHORTEST:
                return
            self._sleep(min((end - now) / rate, _SLICE))

    def _progress(self) -> Pace:
        """Phone seconds since power on, and the rate at which they pass now."""
        until = self._monotonic()
        passed, since, rate = 0.0, self._power_on, self._rate
        for begins, next_rate in self._paces():
            if begins > until:
                break
            begins = max(begins, self._power_on)
            passed += (begins - since) * rate
            since, rate = begins, next_rate
        return passed + (until - since) * rate, rate
