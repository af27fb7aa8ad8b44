"""What the phone does by itself once it has booted: one loop, that sleeps until something is due or a connection wakes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hil.virtual.phone.clock import Clock, Port, readable

_SAME_INSTANT = 1e-3  # phone seconds


class Errand(Protocol):
    """Something that is due at an uptime (math.inf: never), or has a port at which something may be heard."""

    def due(self) -> float: ...

    def act(self) -> None: ...

    def port(self) -> Port | None: ...

    def heard(self) -> None: ...


@dataclass(frozen=True)
class Appointment:
    """An errand without a port."""

    at: Callable[[], float]
    do: Callable[[], None]

    def due(self) -> float:
        return self.at()

    def act(self) -> None:
        self.do()

    def port(self) -> Port | None:
        return None

    def heard(self) -> None:
        """There is nothing to hear."""


def run(clock: Clock, errands: Sequence[Errand]) -> None:
    """Runs errands until there is nothing left to wait for."""
    while True:
        ports = {port: errand for errand in errands if (port := errand.port()) is not None}
        soonest = min((errand.due() for errand in errands), default=math.inf)
        if soonest == math.inf and not ports:
            return
        clock.sleep(soonest - clock.uptime(), tuple(ports))
        for port in readable(tuple(ports), 0.0):
            ports[port].heard()
        for errand in errands:
            if errand.due() <= clock.uptime() + _SAME_INSTANT:
                errand.act()
