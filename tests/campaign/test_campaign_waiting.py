"""Time leaps over what nobody has plans for, and stops short of whoever wakes."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from hil.campaign.waiting import happened, leap_over_idle
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.services.events import EventStream


class Planned(ScaledClock):
    """A clock of a phone that has told, by phone seconds from now, when it wakes; None while it is awake."""

    def __init__(self, wakes: float | None) -> None:
        super().__init__(30.0)
        self.wakes = None if wakes is None else self.now() + timedelta(seconds=wakes)

    def idle_until(self) -> datetime | None:
        return self.wakes


def leapt(clock: ScaledClock, ahead: float) -> float:
    """Phone seconds by which a wait of `ahead` phone seconds leaps."""
    leap_over_idle(clock, clock.now() + timedelta(seconds=ahead))
    return sum(
        (later.phone - earlier.phone - (later.real - earlier.real) * earlier.rate).total_seconds()
        for earlier, later in pairwise(clock.paces)
    )


@pytest.mark.parametrize(
    ("wakes", "ahead", "span"),
    [
        pytest.param(None, 3600.0, 0.0, id="it is awake"),
        pytest.param(25.0, 600.0, 22.0, id="to a tenth of a real second before it wakes"),
        pytest.param(7200.0, 3600.0, 3600.0, id="not beyond the end"),
        pytest.param(4.0, 600.0, 0.0, id="not for so little"),
        pytest.param(-5.0, 600.0, 0.0, id="it should have woken"),
    ],
)
def test_a_leap(wakes: float | None, ahead: float, span: float) -> None:
    assert leapt(Planned(wakes), ahead) == pytest.approx(span, abs=1.0)


def test_what_has_happened_already_is_told_before_any_leap() -> None:
    clock, cancel = Planned(7200.0), threading.Event()
    events = EventStream(clock)
    reader = events.subscribe(0, clock)
    events.publish(EventName.LEASE, device="j179-1")
    (event,) = happened(reader, clock.now() + timedelta(hours=1), clock, cancel)
    assert event.name is EventName.LEASE
    assert len(clock.paces) == 1


def test_nothing_happens_by_the_end_of_the_wait() -> None:
    clock, cancel = Planned(7200.0), threading.Event()
    until = clock.now() + timedelta(hours=1)
    assert happened(EventStream(ScaledClock()).subscribe(0, clock), until, clock, cancel) == ()
    assert clock.now() >= until
    assert clock.now() < datetime.now(UTC) + timedelta(hours=2)
