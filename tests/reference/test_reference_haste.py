from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest

from hil.reference.haste import HastyClock

DAY = 86_400.0


def hasty(lasts: float, over: threading.Event, seen: list[datetime] | None = None) -> HastyClock:
    return HastyClock(DAY * 10_000, lasts, over, (seen if seen is not None else []).append)


def test_a_wait_of_days_ends_at_its_instant_and_not_after() -> None:
    over, seen = threading.Event(), list[datetime]()
    clock = hasty(3650 * DAY, over, seen)
    due = clock.now() + timedelta(days=1000)
    assert clock.wait(over, 1000 * DAY) is False
    assert clock.now() - due == pytest.approx(timedelta(), abs=timedelta(seconds=5))
    assert seen == sorted(seen)
    assert seen[-1] <= clock.now()


def test_a_wait_beyond_the_end_is_over_at_the_end() -> None:
    over = threading.Event()
    clock = hasty(10 * DAY, over)
    assert clock.wait(over, 3e9) is True
    assert over.is_set()
    assert clock.now() - clock.end == pytest.approx(timedelta(), abs=timedelta(seconds=5))


def test_whoever_sets_the_event_ends_the_wait() -> None:
    over, cancelled = threading.Event(), threading.Event()
    cancelled.set()
    clock = hasty(10 * DAY, over)
    began = clock.now()
    assert clock.wait(cancelled, DAY) is True
    assert clock.now() - began < timedelta(seconds=5)
    assert not over.is_set()


def test_while_nobody_waits_time_goes_as_real_time_does() -> None:
    clock = hasty(10 * DAY, threading.Event())
    assert clock.rate == 1.0
