"""The reference's own time: what it was told when it last booted, as a phone's is what SNTP told it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from hil.clock import Clock

Told = Callable[[], timedelta | None]
"""How far ahead of its clock the time service says that it is, None where the service is silent."""


def the_clocks() -> timedelta:
    """A time service that tells the clock's own time."""
    return timedelta()


class OwnTime:
    """A `Clock` that is as far ahead of another as it was told; who is told nothing goes by what it knew."""

    def __init__(self, clock: Clock, told: Told) -> None:
        self._clock = clock
        self._told = told
        self._ahead = timedelta()

    def ask(self) -> bool:
        """Ask the time service; whether it told the time."""
        told = self._told()
        if told is not None:
            self._ahead = told
        return told is not None

    @property
    def rate(self) -> float:
        return self._clock.rate

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def wait(self, event: threading.Event, span: float) -> bool:
        return self._clock.wait(event, span)
