"""What every way of power has alike: ask, then look until what is read back is what was asked for.

A way brings a `Line`, which knows its wire and nothing else. Faults, the shortest time without
power, the distance between two phones going on, and that one process at a time speaks with a switch
are the same for all of them.
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NamedTuple

from hil.bench.power import (
    Outlet,
    PowerBusy,
    PowerFault,
    PowerInterrupted,
    PowerNotApplied,
    PowerRefused,
    PowerSettings,
    PowerTimedOut,
    PowerUnreachable,
    PowerUnreadable,
    Wiring,
)
from hil.bench.power.turn import Turn
from hil.clock import Clock


class Trouble(Exception):
    """What a line meets on its wire; the text says what was seen, the class what that means."""

    fault: type[PowerFault] = PowerFault
    problem = "the switch could not be asked"


class NoAnswer(Trouble):
    """Nothing came back; the text says what was waited for."""

    fault = PowerUnreachable
    problem = "the switch does not answer"


class NotLetIn(Trouble):
    """User, password, key or community is not accepted."""

    fault = PowerUnreachable
    problem = "the switch does not let us in"


class Stranger(Trouble):
    """The other side does not prove to be the switch; the text says how to make it known."""

    fault = PowerUnreachable
    problem = "the switch is not known by its host key"


class Refusal(Trouble):
    """The other side answered that it will not; the text is its own word for why."""

    fault = PowerRefused
    problem = "the switch refused"


class NoSession(Trouble):
    """The other side has no session left."""

    fault = PowerBusy
    problem = "the switch has no session left"


class Interruption(Trouble):
    """The other side went away, or started anew, between a command and its end."""

    fault = PowerInterrupted
    problem = "the switch ended the session in mid-command"


class Gibberish(Trouble):
    """The answer is not one that the line can read."""

    fault = PowerUnreadable
    problem = "the answer of the switch cannot be read"


class Reading(NamedTuple):
    """What a switch says of an outlet: what it is set to, whether power is on the line, and both in its own words."""

    set_on: bool
    delivering: bool
    shown: str
    watts: float | None = None


class Line(ABC):
    """One outlet on its wire; what asks the switch raises a `Trouble`."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The outlet as its switch names it."""

    @abstractmethod
    def asking(self, on: bool) -> str:
        """What is asked of the switch, in its own terms, such as `set pethPsePortAdminEnable to false`."""

    @abstractmethod
    def set(self, on: bool) -> None:
        """Ask for power, or for none."""

    @abstractmethod
    def read(self) -> Reading:
        """Look at the outlet."""

    def watts(self) -> float | None:
        """Power measured at the outlet; None where the switch does not tell."""
        return self.read().watts

    def session(self) -> AbstractContextManager[None]:
        """What the wire has to hold for the questions of one turn, such as a login; it is let go at the turn's end."""
        return contextlib.nullcontext()


class LineSwitch:
    """A `PowerSwitch` whose outlets are lines; `name` is the same for all benches that have this switch.

    `patience` is how long others may take their turn at it, in real seconds.
    """

    def __init__(
        self,
        name: str,
        settings: PowerSettings,
        wiring: Wiring,
        line_of: Callable[[Outlet], Line],
        close: Callable[[], None] = lambda: None,
        *,
        patience: float = 60.0,
    ) -> None:
        self._settings = settings
        self._wiring = wiring
        self._line_of = line_of
        self._close = close
        self._turn = Turn(wiring.turns, name, wiring.clock, patience)

    def port(self, outlet: Outlet, *, bench: str, phone: str) -> ReadBackPort:
        wiring = self._wiring
        line = self._line_of(outlet)
        return ReadBackPort(line, self._settings, self._turn, wiring.clock, wiring.off_time, bench=bench, phone=phone)

    def close(self) -> None:
        self._close()


class ReadBackPort:
    """A `PowerPort` over a `Line`."""

    def __init__(
        self, line: Line, settings: PowerSettings, turn: Turn, clock: Clock, off_time: float, *, bench: str, phone: str
    ) -> None:
        self._line = line
        self._settings = settings
        self._turn = turn
        self._clock = clock
        self._off_time = off_time
        self._bench = bench
        self._phone = phone
        self._last_off: datetime | None = None

    @property
    def label(self) -> str:
        return self._line.label

    def on(self) -> None:
        if self._last_off is not None:
            self._pause(self._off_time - (self._clock.now() - self._last_off).total_seconds())
        self._switch(True)

    def off(self) -> None:
        self._switch(False)
        self._last_off = self._clock.now()

    def delivering(self) -> bool:
        with self._asked("look at the port"):
            return self._line.read().delivering

    def watts(self) -> float | None:
        with self._asked("measure the port's power"):
            return self._line.watts()

    def _switch(self, on: bool) -> None:
        tried = self._line.asking(on)
        with self._asked(tried, apart=self._settings.stagger if on else 0.0):
            self._line.set(on)
            reading = self._line.read()
        start = self._clock.now()
        while (reading.set_on, reading.delivering) != (on, on):
            if (self._clock.now() - start).total_seconds() >= self._settings.limit:
                raise self._not_as_asked(on, tried, reading)
            self._pause(self._settings.poll)
            with self._asked(tried):
                reading = self._line.read()

    def _not_as_asked(self, on: bool, tried: str, reading: Reading) -> PowerNotApplied | PowerTimedOut:
        seen = f"{reading.shown} after {self._settings.limit:g} s"
        if reading.set_on != on:
            problem = "the switch answered that it set the port, and did not"
            return PowerNotApplied(problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=seen)
        problem = "the port is set, and its power did not follow"
        return PowerTimedOut(problem, bench=self._bench, phone=self._phone, port=self.label, tried=tried, seen=seen)

    def _pause(self, span: float) -> None:
        if span > 0:
            self._clock.wait(threading.Event(), span)

    @contextlib.contextmanager
    def _asked(self, tried: str, *, apart: float = 0.0) -> Iterator[None]:
        """A turn at the switch with its session; what the line meets becomes a fault that names bench, phone and port."""
        try:
            with self._turn.taken(apart=apart), self._line.session():
                yield
        except Trouble as trouble:
            where = {"bench": self._bench, "phone": self._phone, "port": self.label}
            raise trouble.fault(trouble.problem, **where, tried=tried, seen=str(trouble)) from trouble
