"""Power over Ethernet as a bench sees it: ports that go on and off for certain, or say why not.

`off()` returns when the switch reports that no power is delivered, and `on()` when it reports that
power is delivered; anything else is a `PowerFault`. Power that is merely believed to be off makes
every later judgment worthless, so no method returns a bool for success.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

from hil.bench.source import Source
from hil.bench.strict import Strict
from hil.clock import Clock
from hil.errors import LabFault
from hil.secret import Secret


class PowerFault(LabFault):
    """Power did not do what was asked; the phone is not to blame."""


class PowerUnreachable(PowerFault):
    """The switch does not answer, or lets nobody in: address, cabling, agent, host key, community, password."""


class PowerRefused(PowerFault):
    """The switch answered that it will not: no such port, no right to write, a wrong value."""


class PowerBusy(PowerFault):
    """The switch has no session left for us: others are logged in, or hold its console or its relay box."""


class PowerInterrupted(PowerFault):
    """The switch ended the session in mid-command; what became of the port is not known."""


class PowerUnreadable(PowerFault):
    """The switch answered with what nobody can read: another dialect, another firmware, another port."""


class PowerNotApplied(PowerFault):
    """The switch said yes, and its own read-back says that nothing changed."""


class PowerTimedOut(PowerFault):
    """The switch changed the setting, and the power did not follow in time."""


class PowerNotOurs(PowerFault):
    """The phone is not ours to switch, or not any more: its lease was released or has lapsed, and another may have it."""


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

    def watts(self) -> float | None:
        """Power that the switch measures at the outlet now; None where it does not tell. Raises `PowerFault`."""


def cycle(port: PowerPort) -> None:
    """Off, then on; on is tried even when off failed, so that a fault does not leave a phone dark."""
    try:
        port.off()
    finally:
        port.on()


def insist_on(port: PowerPort, phone: str, tries: int = 3) -> LabFault | None:
    """Power on, tried again while the switch is slow to answer; why the phone stays dark, None where it does not."""
    fault = None
    for _ in range(tries):
        try:
            port.on()
        except LabFault as error:
            fault = error
        except Exception as error:  # noqa: BLE001  whatever it is, the phone may be dark, and nobody else would say so
            fault = LabFault("it could not be powered", phone=phone, port=port.label, seen=repr(error))
        else:
            return None
    return fault


class PowerSettings(Strict):
    """The testbed's `power`: which way, and what that way needs to know; times are real seconds."""

    kind: str = Field(description="the way of power")
    limit: Annotated[float, Field(gt=0, le=300)] = Field(
        default=20.0, description="power must follow the setting in this time [real s]"
    )
    poll: Annotated[float, Field(gt=0, le=10)] = Field(default=0.25, description="pause between two looks at the status [real s]")
    stagger: Annotated[float, Field(ge=0, le=60)] = Field(
        default=0.0, description="shortest time between two phones going on at this switch [real s]"
    )


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
    settings stand in, `file` the testbed as errors name it; in `turns` all benches of this user take
    turns at a switch; `word` is set where the bench brings a switch of its own: the community, and every
    passphrase and password, that the testbed does not name. `key` is where the settings stand in the testbed.
    """

    clock: Clock
    off_time: float
    folder: str
    file: str | Source
    turns: Path
    word: Secret | None = None
    key: str = "power"


@dataclass(frozen=True)
class PowerWay:
    """A way to switch power, as the entry point group `hil.power` names it."""

    settings: type[PowerSettings]
    outlet: type[Outlet]
    connect: Callable[[PowerSettings, Wiring], PowerSwitch]
    check: Callable[[PowerSettings, Outlet], None] = lambda *_: None
    """Raises `Misuse`, with the outlet's key, where a switch of these settings has no such outlet."""
