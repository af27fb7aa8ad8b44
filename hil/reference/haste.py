"""Time for whoever wants to see years of a phone's life in minutes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from hil.clock import ScaledClock

_SLICE = 0.05
"""Real seconds between leaps."""
_SHORTEST = 1e-5
"""Phone seconds that are not worth waiting for."""


class HastyClock(ScaledClock):
    """Phone time that goes as real time does while anything happens, and `haste` times as fast while a phone waits.

    `lasts` phone seconds after its beginning it sets `over` and lets nobody wait any longer; of a wait that reaches
    so far nothing more is to be seen, so it is over at once. `passing` is told the time while somebody waits.
    """

    def __init__(self, haste: float, lasts: float, over: threading.Event, passing: Callable[[datetime], None]) -> None:
        super().__init__()
        self._haste = haste
        self._over = over
        self._passing = passing
        self.end = self.now() + timedelta(seconds=lasts)

    def wait(self, event: threading.Event, span: float) -> bool:
        until = self.now() + timedelta(seconds=span)
        if until >= self.end:
            self.leap(max(0.0, (self.end - self.now()).total_seconds()))
            self._over.set()
        while not event.is_set() and (left := (until - self.now()).total_seconds()) > _SHORTEST:
            if event.wait(real := min(left / self._haste, _SLICE)):
                break
            self.leap(max(0.0, min(left, real * self._haste) - real))
            self._passing(self.now())
        return event.is_set()
