"""What all simulators have behind their wire: ports with power, and one way to be wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from hil.virtual.command_line.session import Rebooted, Refused


class Mischief(StrEnum):
    """A way to be wrong."""

    NONE = "none"
    SLOW = "slow"
    STUCK = "power never follows"
    SILENT = "no answer"
    REFUSE = "refused"
    IGNORE = "accepted, not applied"
    WRONG_PORT = "wrong port"
    FULL = "session limit"
    REBOOT = "reboot in mid-command"


@dataclass
class Port:
    """What a port is set to and whether power is on its line; a slow one shows its old power for some looks more."""

    wanted: bool = True
    power: bool = True
    looks_to_wait: int = 0


LAG = 2
"""Looks for which a slow box shows the power as it was."""


class Box:
    """Ports by name; safe between threads."""

    def __init__(self, names: Iterable[str]) -> None:
        self.ports = {name: Port() for name in names}
        self.mischief = Mischief.NONE
        self.orders: list[tuple[str, bool]] = []
        self.on_order: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def order(self, name: str, on: bool) -> None:
        """Switch a port, as well as the mischief allows."""
        with self._lock:
            self.orders.append((name, on))
            self.on_order()
            if self.mischief is Mischief.REBOOT:
                raise Rebooted
            if self.mischief is Mischief.REFUSE or name not in self.ports:
                raise Refused
            if self.mischief is Mischief.IGNORE:
                return
            if self.mischief is Mischief.WRONG_PORT:
                name = next(other for other in self.ports if other != name)
            port = self.ports[name]
            port.wanted = on
            if self.mischief is Mischief.SLOW:
                port.looks_to_wait = LAG
            if self.mischief is not Mischief.STUCK:
                port.power = on

    def look(self, name: str) -> tuple[bool, bool]:
        """What the box shows of a port: what it is set to, and whether it delivers."""
        with self._lock:
            if name not in self.ports:
                raise Refused
            port = self.ports[name]
            if port.looks_to_wait:
                port.looks_to_wait -= 1
                return port.wanted, not port.power
            return port.wanted, port.power
