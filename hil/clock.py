"""Time as the phones of a bench live it; injected wherever time is read or passed.

A real bench has rate 1. A virtual bench has a rate of phone seconds in one real second, and its
phones, reference, CA and SNTP server share it. Spans and instants are in phone time unless a name
says `real`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

_SLICE = 0.05
"""Real seconds after which a waiter looks whether time has leapt."""

_NEVER = datetime.max.replace(tzinfo=UTC)

_SHORTEST = 1e-5
"""Phone seconds that are not worth waiting for."""

_STEADY = 0.02
"""Seconds by which a PC's clock may drift from the monotonic one before phone time is told against it anew."""


class Clock(Protocol):
    """Where code asks for the time and lets it pass."""

    @property
    def rate(self) -> float:
        """Phone seconds in one real second."""

    def now(self) -> datetime:
        """The instant in phone time, aware, in UTC."""

    def wait(self, event: threading.Event, span: float) -> bool:
        """Wait until `event` is set, at most `span` phone seconds; whether it is set."""


@dataclass(frozen=True)
class Pace:
    """From the real instant `real` on, phone time goes on from `phone`, `rate` phone seconds in a real one.

    `set_by` is by how many real seconds this PC's clock was set then, which nobody lived; 0 where phone time leapt instead.
    """

    real: datetime
    phone: datetime
    rate: float
    set_by: float = 0.0


def phone_time(paces: Sequence[Pace], real: datetime) -> datetime:
    """Phone time at the real instant `real`, such as a packet's capture time; the first pace holds before itself too."""
    for pace in reversed(paces):
        if pace.real <= real:
            break
    return pace.phone + (real - pace.real) * pace.rate


class ScaledClock:
    """Phone time that runs `rate` times as fast as real time since `epoch`, an instant common to both.

    It goes by the monotonic clock, which nobody sets. Its paces are told by this PC's clock, as packets are; where that is
    set, phone time goes on and a new pace says where.
    """

    def __init__(self, rate: float = 1.0, epoch: datetime | None = None) -> None:
        self._ahead = time.time() - time.monotonic()
        now = self._real(time.monotonic())
        epoch = epoch or now
        self._paces = [Pace(epoch, epoch, rate)]
        self._beats = [(time.monotonic() - (now - epoch).total_seconds(), epoch)]
        self._turn = threading.Lock()
        self._sleepers: dict[int, datetime] = {}
        self._sharers: set[threading.Thread] = set()

    @property
    def rate(self) -> float:
        return self._paces[-1].rate

    @property
    def paces(self) -> tuple[Pace, ...]:
        """How phone time went: the first pace begins at the instant on which phone time and real time agree."""
        self._heed_setting()
        return tuple(self._paces)

    def now(self) -> datetime:
        self._heed_setting()
        return self._at(time.monotonic())

    def wait(self, event: threading.Event, span: float) -> bool:
        until = self.now() + timedelta(seconds=span)
        self._sleepers[threading.get_ident()] = until
        try:
            while (left := (until - self.now()).total_seconds()) > _SHORTEST:
                if event.wait(min(left / self.rate, _SLICE)):
                    return True
            return event.is_set()
        finally:
            del self._sleepers[threading.get_ident()]

    def idle_until(self) -> datetime | None:
        """The earliest instant for which whoever lives by this clock has planned anything; None where that is not known."""
        return None

    def leap(self, span: float) -> None:
        """Let `span` phone seconds be over at once, for whoever shares this clock."""
        self._leap(span)

    def share(self, thread: threading.Thread) -> None:
        """From now on `thread` has plans unless it waits by this clock, or has ended."""
        self._sharers.add(thread)

    def power_is_off(self) -> None:
        """The phone that lives by this clock has no plans any more; its next ones are not known."""

    @property
    def _sharers_wake(self) -> datetime | None:
        """When the first of the threads that share this clock goes on; None while one of them is at work."""
        self._sharers = {thread for thread in self._sharers if thread.is_alive()}
        wakes = [self._sleepers.get(thread.ident or 0) for thread in self._sharers]
        return None if None in wakes else min(filter(None, wakes), default=_NEVER)

    def _leap(self, span: float) -> float:
        """Leap; the monotonic instant of it."""
        with self._turn:
            since = time.monotonic()
            phone = self._at(since) + timedelta(seconds=span)
            self._beats.append((since, phone))
            self._paces.append(Pace(self._real(since), phone, self.rate))
        return since

    def _heed_setting(self) -> None:
        """Begin a new pace where this PC's clock was set."""
        if not self._set_by():
            return
        with self._turn:
            if set_by := self._set_by():
                self._ahead += set_by
                now = time.monotonic()
                self._paces.append(Pace(self._real(now), self._at(now), self.rate, set_by))

    def _set_by(self) -> float:
        """By how many seconds this PC's clock was set, 0 where no more than what passes between reading the two."""
        before, wall, after = time.monotonic(), time.time(), time.monotonic()
        steady = wall - after - _STEADY <= self._ahead <= wall - before + _STEADY
        return 0.0 if steady else wall - after - self._ahead

    def _at(self, monotonic: float) -> datetime:
        """Phone time at a monotonic instant, which may lie before the last leap."""
        since, phone = next((beat for beat in reversed(self._beats) if beat[0] <= monotonic), self._beats[0])
        return phone + timedelta(seconds=(monotonic - since) * self.rate)

    def _real(self, monotonic: float) -> datetime:
        return datetime.fromtimestamp(monotonic + self._ahead, UTC)


class ManualClock:
    """A clock for tests: time stands still until it is told to pass, or something waits."""

    def __init__(self, start: datetime | None = None, rate: float = 1.0) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._rate = rate

    @property
    def rate(self) -> float:
        return self._rate

    def now(self) -> datetime:
        return self._now

    def advance(self, span: float) -> None:
        """Let `span` phone seconds pass."""
        self._now += timedelta(seconds=span)

    def wait(self, event: threading.Event, span: float) -> bool:
        if not event.is_set():
            self.advance(span)
        return event.is_set()
