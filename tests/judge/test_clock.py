"""Phone time: what runs at a rate beside real time, and what stands still until it is told."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hil.clock import ManualClock, Pace, ScaledClock, phone_time
from hil.virtual.clock import PhoneClock
from hil.virtual.phone.clock import BenchFiles, Clock, Port

EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Real seconds since some start, as `time.monotonic` tells them; a test moves them by hand, and this PC's clock with them."""
    seconds, ahead = [1000.0], time.time() - 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(time, "time", lambda: seconds[0] + ahead)
    return seconds


def set_wall(monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    """Set this PC's clock, as a time server or a virtual machine's host does."""
    before = time.time
    monkeypatch.setattr(time, "time", lambda: before() + by)


def captured() -> datetime:
    """The time that a packet gets now."""
    return datetime.fromtimestamp(time.time(), UTC)


def test_phone_time_runs_at_its_rate(real: list[float]) -> None:
    clock = ScaledClock(30.0)
    began = clock.now()
    real[0] += 2.0
    assert clock.now() - began == timedelta(seconds=60)
    assert clock.rate == 30.0


def test_phone_time_and_real_time_agree_at_the_epoch(real: list[float]) -> None:
    epoch = captured() - timedelta(seconds=10)
    clock = ScaledClock(20.0, epoch)
    assert clock.paces == (Pace(epoch, epoch, 20.0),)
    assert (clock.now() - epoch).total_seconds() == pytest.approx(200, abs=0.01)
    assert phone_time(clock.paces, epoch) == epoch
    assert phone_time(clock.paces, epoch + timedelta(seconds=3)) == epoch + timedelta(minutes=1)


@pytest.mark.parametrize("by", [25.0, -25.0, 0.3])
def test_phone_time_goes_on_where_this_pcs_clock_is_set(real: list[float], monkeypatch: pytest.MonkeyPatch, by: float) -> None:
    clock = ScaledClock(30.0)
    began, before = clock.now(), captured()
    real[0] += 60.0
    set_wall(monkeypatch, by)
    assert clock.now() - began == timedelta(seconds=1800)
    assert [round(pace.set_by, 3) for pace in clock.paces] == [0.0, by]
    real[0] += 1.0
    clock.leap(3600.0)
    real[0] += 1.0
    assert (phone_time(clock.paces, captured()) - clock.now()).total_seconds() == pytest.approx(0, abs=0.01)
    assert (phone_time(clock.paces, before) - began).total_seconds() == pytest.approx(0, abs=0.01)
    assert len(clock.paces) == 3


def test_a_clock_that_is_not_set_begins_no_pace(real: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ScaledClock(30.0)
    set_wall(monkeypatch, 0.01)
    seen = phone_time(clock.paces, captured() - timedelta(seconds=0.01))
    assert (clock.now() - seen).total_seconds() == pytest.approx(0, abs=0.001)
    ticks, ahead = itertools.count(real[0]), time.time() - real[0]
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))  # this PC is slow between reading the two
    monkeypatch.setattr(time, "time", lambda: next(ticks) + ahead)
    clock.now()
    assert len(clock.paces) == 1


def test_two_clocks_of_one_epoch_tell_the_same_time(real: list[float]) -> None:
    epoch = datetime.now(UTC)
    one, other = ScaledClock(20.0, epoch), ScaledClock(20.0, epoch)
    assert abs((one.now() - other.now()).total_seconds()) < 20.0


class Waited(threading.Event):
    """An event that lets real time pass where it is waited for; `then` happens at the first wait."""

    def __init__(self, real: list[float], then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.real, self.then = real, then

    def wait(self, timeout: float | None = None) -> bool:
        self.real[0] += timeout or 0.0
        then, self.then = self.then, lambda: None
        then()
        return self.is_set()


def test_a_span_is_waited_for_in_real_seconds(real: list[float]) -> None:
    began, event = real[0], Waited(real)
    assert not ScaledClock(20.0).wait(event, 60.0)
    assert real[0] - began == pytest.approx(3.0)
    assert not ScaledClock(20.0).wait(event, -5.0)
    assert real[0] - began == pytest.approx(3.0)
    event.set()
    assert ScaledClock().wait(event, 7.0)
    assert real[0] - began < 3.1


def test_whoever_waits_leaps_with_the_clock(real: list[float]) -> None:
    clock = ScaledClock(10.0)
    began, since = real[0], clock.now()
    clock.wait(Waited(real, lambda: clock.leap(3590.0)), 3600.0)
    assert real[0] - began == pytest.approx(1.0, abs=0.01)
    assert (clock.now() - since).total_seconds() == pytest.approx(3600, abs=1)
    assert [pace.rate for pace in clock.paces] == [10.0, 10.0]
    real[0] += 1.0
    assert (clock.now() - since).total_seconds() == pytest.approx(3610, abs=1)
    assert clock.idle_until() is None


@pytest.fixture
def bench(real: list[float], tmp_path: Path) -> PhoneClock:
    """The bench's side of a phone's time."""
    return PhoneClock(10.0, datetime.now(UTC), tmp_path)


@pytest.fixture
def phone(real: list[float], bench: PhoneClock, tmp_path: Path) -> Clock:
    """The phone's side of it; it has just been powered."""
    return Clock(10.0, 5.0, monotonic=time.monotonic, bench=BenchFiles(tmp_path))


def test_a_phone_and_its_bench_tell_each_other_of_their_time(real: list[float], bench: PhoneClock, phone: Clock) -> None:
    began = bench.now()
    assert bench.idle_until() is None  # the phone is awake
    phone.rest()
    assert bench.idle_until() is None  # what it said last may be on its way
    real[0] += 1.0
    idle_until = bench.idle_until()
    assert idle_until is not None
    assert idle_until - began > timedelta(days=3650)
    bench.leap(3600.0)
    assert phone.uptime() == pytest.approx((bench.now() - began).total_seconds(), abs=0.01)
    assert phone.uptime() == pytest.approx(3610)


def test_a_leap_moves_no_plan_that_was_told_before_it(real: list[float], bench: PhoneClock, tmp_path: Path) -> None:
    BenchFiles(tmp_path).asleep(time.monotonic(), 7200.0)
    planned = bench.now() + timedelta(seconds=7200)
    real[0] += 1.0
    bench.leap(3600.0)
    real[0] += 1.0
    assert bench.idle_until() == planned


def test_who_has_lost_its_power_has_no_plans(real: list[float], bench: PhoneClock, phone: Clock) -> None:
    phone.rest()
    real[0] += 1.0
    bench.power_is_off()
    assert bench.idle_until() is None


def test_a_thread_that_shares_the_time_has_plans_unless_it_waits(real: list[float], bench: PhoneClock, phone: Clock) -> None:
    began, goes_on, waits, at_work = bench.now(), threading.Event(), threading.Event(), threading.Event()

    class Here(threading.Event):
        def wait(self, _timeout: float | None = None) -> bool:
            waits.set()
            return goes_on.wait(10)

    def live() -> None:
        at_work.wait(10)
        bench.wait(Here(), 3600.0)

    thread = threading.Thread(target=live)
    thread.start()
    bench.share(thread)
    phone.rest()
    real[0] += 1.0
    assert bench.idle_until() is None
    at_work.set()
    assert waits.wait(10)
    idle_until = bench.idle_until()
    assert idle_until is not None
    assert (idle_until - began).total_seconds() == pytest.approx(3610, abs=11)
    goes_on.set()
    thread.join(10)
    later = bench.idle_until()
    assert later is not None
    assert later > idle_until  # who has ended has no plans


def test_a_leap_wakes_a_phone_that_told_for_how_long_it_sleeps(tmp_path: Path) -> None:
    bench = PhoneClock(1.0, datetime.now(UTC), tmp_path)
    told: list[float] = []

    class Asleep(BenchFiles):
        """Time leaps once the phone sleeps."""

        def wait(self, ports: Sequence[Port], within: float) -> Sequence[Port]:
            told.append(float((tmp_path / "wakes").read_text().split()[1]))
            bench.leap(90.0)
            return super().wait(ports, within)

    began = time.monotonic()
    Clock(1.0, bench=Asleep(tmp_path)).sleep(90.0)
    assert told == [90.0]
    assert time.monotonic() - began < 45
    assert not (tmp_path / "wakes").exists()


def test_time_leaps_for_a_phone_without_power_too(tmp_path: Path) -> None:
    bench = PhoneClock(10.0, datetime.now(UTC), tmp_path)
    os.mkfifo(tmp_path / "leapt")  # the phone left it
    began = bench.now()
    bench.leap(90.0)
    assert bench.now() - began >= timedelta(seconds=90)


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
