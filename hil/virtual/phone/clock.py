"""The phone's clock: phone seconds pass `rate` times as fast as real ones."""

from __future__ import annotations

import time
from collections.abc import Callable

FIRMWARE_BUILT = 1704067200.0  # 2024-01-01, what a phone believes that never knew the time


class Clock:
    """Time of day (Unix seconds, UTC) and time since power on, both in phone seconds."""

    def __init__(
        self,
        rate: float,
        believed: float = FIRMWARE_BUILT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self._monotonic = monotonic
        self._sleep = sleep
        self._power_on = monotonic()
        self._set_at = self._power_on
        self._set_to = believed

    def now(self) -> float:
        """Time of day as the phone believes it."""
        return self._set_to + (self._monotonic() - self._set_at) * self.rate

    def set(self, epoch: float) -> None:
        """Believe from here on that it is `epoch`."""
        self._set_at, self._set_to = self._monotonic(), epoch

    def uptime(self) -> float:
        """Phone seconds since power on."""
        return (self._monotonic() - self._power_on) * self.rate

    def sleep(self, seconds: float) -> None:
        """Let `seconds` of phone time pass."""
        self._sleep(max(seconds, 0.0) / self.rate)
