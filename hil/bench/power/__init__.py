"""Power over Ethernet as a bench sees it: ports that go on and off for certain, or say why not.

`off()` returns when the switch reports that no power is delivered, and `on()` when it reports that
power is delivered; anything else is a `PowerFault`. Power that is merely believed to be off makes
every later judgment worthless, so no method returns a bool for success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hil.bench.strict import Strict
from hil.clock import Clock
from hil.errors import LabFault
from hil.secret import Secret


class PowerFault(LabFault):
    """Power did not do what was asked; the phone is not to blame."""


class PowerUnreachable(PowerFault):
    """The switch does not answer: address, cabling, agent, or a community that it does not accept."""


class PowerRefused(PowerFault):
    """The switch answered that it will not: no such port, no right to write, a wrong value."""


class PowerNotApplied(PowerFault):
    """The switch said yes, and its own read-back says that nothing changed."""


class PowerTimedOut(PowerFault):
    """The switch changed the setting, and the power did not follow in time."""


class PowerPort(Protocol):
    """The outlet of one phone."""

    @property
    def label(self) -> str:
        """The outlet as the switch names it, such as `192.0.2.2 1.3` (group 1, port 3)."""

    def on(self) -> None:
        """Deliver power; waits for the shortest off time first. Returns when power is reported, or raises `PowerFault`."""

    def off(self) -> None:
        """Take power away. Returns when the switch reports none, or raises `PowerFault`."""

    def delivering(self) -> bool:
        """Whether the switch reports that it delivers power now; raises `PowerFault` if it does not answer."""


def cycle(port: PowerPort) -> None:
    """Off, then on; on is tried even when off failed, so that a fault does not leave a phone dark."""
    try:
        port.off()
    finally:
        port.on()


class PowerSettings(Strict):
    """The testbed's `power`: which way, and what that way needs to know."""

    kind: str


class Outlet(Strict):
    """A phone's `power`: which outlet of the switch it hangs on."""


class PowerSwitch(Protocol):
    """A switch (or relay box) that was connected to."""

    def port(self, outlet: Outlet, *, bench: str, phone: str) -> PowerPort:
        """The outlet of `phone`; the names go into faults."""

    def close(self) -> None:
        """Let go of sockets and threads."""


@dataclass(frozen=True)
class Wiring:
    """What a way of power is given beside its own settings.

    `clock` runs in real time; `off_time` is in real seconds; `folder` is what relative paths of the
    testbed stand in; `community` is set where the bench brings its own.
    """

    clock: Clock
    off_time: float
    folder: str
    file: str
    community: Secret | None = None


@dataclass(frozen=True)
class PowerWay:
    """A way to switch power, as the entry point group `hil.power` names it."""

    settings: type[PowerSettings]
    outlet: type[Outlet]
    connect: Callable[[PowerSettings, Wiring], PowerSwitch]
