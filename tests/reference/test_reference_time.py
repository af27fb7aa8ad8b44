"""The reference's own time: what it was told at boot, until the next."""

from __future__ import annotations

import threading
from datetime import timedelta

from hil.clock import ManualClock
from hil.reference.own_time import OwnTime, the_clocks

MONTH = timedelta(days=30)


def test_it_is_the_clocks_where_nobody_tells_another() -> None:
    clock = ManualClock(rate=30.0)
    own = OwnTime(clock, the_clocks)
    assert own.ask()
    assert (own.now(), own.rate) == (clock.now(), 30.0)


def test_another_time_counts_from_when_it_is_asked_for() -> None:
    clock, told = ManualClock(), [MONTH]
    own = OwnTime(clock, lambda: told[-1])
    assert own.now() == clock.now()
    own.ask()
    told.append(-MONTH)
    assert own.now() == clock.now() + MONTH
    own.ask()
    assert own.now() == clock.now() - MONTH


def test_who_is_told_nothing_goes_by_what_it_knew() -> None:
    clock, told = ManualClock(), list[timedelta | None]([MONTH])
    own = OwnTime(clock, lambda: told[-1])
    own.ask()
    told.append(None)
    assert not own.ask()
    assert own.now() == clock.now() + MONTH


def test_waiting_is_the_clocks() -> None:
    clock = ManualClock()
    began = clock.now()
    assert not OwnTime(clock, lambda: MONTH).wait(threading.Event(), 60.0)
    assert clock.now() - began == timedelta(seconds=60)
