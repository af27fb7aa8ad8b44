"""Waiting for what a phone does, with a leap over each time for which neither it nor its reference has plans."""

from __future__ import annotations

import threading
from datetime import datetime

from hil.clock import ScaledClock
from hil.services.events import Event, Subscription

_LOOK = 0.05
"""Real seconds between looks whether time may leap."""
_WAKING = 0.1
"""Real seconds that are left of an idle time after a leap, so that nobody wakes late."""


def happened(reader: Subscription, until: datetime, clock: ScaledClock, cancel: threading.Event) -> tuple[Event, ...]:
    """The next events, none where there was none for a moment or the phone time `until` has come; `reader` waits by `clock`."""
    if events := reader.drain():
        return events
    leap_over_idle(clock, until)
    left = (until - clock.now()).total_seconds()
    return reader.wait(max(0.0, min(left, _LOOK * clock.rate)), cancel)


def leap_over_idle(clock: ScaledClock, until: datetime) -> None:
    """Let the time be over at once for which nobody has plans, but not beyond `until`."""
    wakes = clock.idle_until()
    if wakes is None:
        return
    now = clock.now()
    idle = min((until - now).total_seconds(), (wakes - now).total_seconds() - _WAKING * clock.rate)
    if idle > _WAKING * clock.rate:
        clock.leap(idle)
