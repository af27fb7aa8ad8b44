"""Phone time: what runs at a rate beside real time, and what stands still until it is told."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from hil.clock import ManualClock, ScaledClock

EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Real seconds since some start, as `time.monotonic` tells them; a test moves them by hand."""
    seconds = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    return seconds


def test_phone_time_runs_at_its_rate(real: list[float]) -> None:
    clock = ScaledClock(30.0)
    began = clock.now()
    real[0] += 2.0
    assert clock.now() - began == timedelta(seconds=60)
    assert clock.rate == 30.0


def test_phone_time_and_real_time_agree_at_the_epoch(real: list[float]) -> None:
    epoch = datetime.now(UTC) - timedelta(seconds=10)
    clock = ScaledClock(20.0, epoch)
    assert clock.epoch == epoch
    assert 200 <= (clock.now() - epoch).total_seconds() < 220
    assert clock.at(epoch) == epoch
    assert clock.at(epoch + timedelta(seconds=3)) == epoch + timedelta(minutes=1)


def test_two_clocks_of_one_epoch_tell_the_same_time(real: list[float]) -> None:
    epoch = datetime.now(UTC)
    one, other = ScaledClock(20.0, epoch), ScaledClock(20.0, epoch)
    assert abs((one.now() - other.now()).total_seconds()) < 20.0


class Waited(threading.Event):
    """An event that tells how long it was waited for, and waits for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.spans.append(timeout)
        return self.is_set()


def test_a_span_is_waited_for_in_real_seconds() -> None:
    event = Waited()
    assert not ScaledClock(20.0).wait(event, 60.0)
    assert not ScaledClock(20.0).wait(event, -5.0)
    event.set()
    assert ScaledClock().wait(event, 7.0)
    assert event.spans == [3.0, 0.0, 7.0]


def test_a_manual_clock_stands_still() -> None:
    clock = ManualClock(EPOCH, rate=5.0)
    assert (clock.now(), clock.now(), clock.rate) == (EPOCH, EPOCH, 5.0)
    clock.advance(1.5)
    assert clock.now() == EPOCH + timedelta(seconds=1.5)


def test_a_manual_clock_passes_what_is_waited_for() -> None:
    clock, event = ManualClock(EPOCH), threading.Event()
    assert not clock.wait(event, 90)
    assert clock.now() == EPOCH + timedelta(seconds=90)
    event.set()
    assert clock.wait(event, 90)
    assert clock.now() == EPOCH + timedelta(seconds=90)
