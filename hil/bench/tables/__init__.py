"""What a switch knows of its ports: who announces itself there by LLDP, whose frames it has seen, which have a link.

A phone's LLDP goes no further than its switch, so on a real bench this is the only way to its serial
number before it enrols, and to the port that it hangs on. A switch may fill these tables by half, or not
at all; what it did not tell is None or absent, and never a verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Protocol


@dataclass(frozen=True)
class Neighbour:
    """One LLDP neighbour of one port, as it told of itself; the inventory is that of LLDP-MED (ANSI/TIA-1057).

    `mac` in lower case with colons: phones put it into their port ID, and their IP address, `address`, into the chassis ID.
    `port` is None where the switch does not say by which name it goes.
    """

    port: str | None
    mac: str | None = None
    address: str | None = None
    name: str | None = None
    description: str | None = None
    hardware: str | None = None
    firmware: str | None = None
    software: str | None = None
    serial: str | None = None
    maker: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class Station:
    """A MAC address (lower case, colons) that the switch has seen as the source of frames on a port."""

    port: str
    mac: str


@dataclass(frozen=True)
class Spanning:
    """What spanning tree does with a port: whether it forwards frames, and whether it is set to at once; None: not told."""

    forwards: bool | None = None
    edge: bool | None = None


@dataclass(frozen=True)
class Tables:
    """Neighbours and stations of a switch; `linked` names the ports with a link, None where the switch was not asked for it.

    `spanning` has, by port, what spanning tree does there, `gaps` says in words what the switch did not tell.
    """

    neighbours: tuple[Neighbour, ...] = ()
    stations: tuple[Station, ...] = ()
    linked: frozenset[str] | None = None
    gaps: tuple[str, ...] = ()
    spanning: Mapping[str, Spanning] = field(default_factory=dict)

    @property
    def ports(self) -> frozenset[str]:
        """Every port that anybody was seen or announced at."""
        announced = {each.port for each in self.neighbours if each.port is not None}
        return frozenset(announced | {each.port for each in self.stations})

    def ports_of(self, mac: str) -> frozenset[str]:
        """Where a MAC address was seen or announced; more than one where somebody between passes frames on."""
        seen = {each.port for each in self.stations if each.mac == mac}
        return frozenset(seen | {each.port for each in self.neighbours if each.mac == mac and each.port is not None})

    def at(self, port: str) -> frozenset[str]:
        """The MAC addresses seen or announced at a port."""
        seen = {each.mac for each in self.stations if each.port == port}
        return frozenset(seen | {each.mac for each in self.neighbours if each.port == port and each.mac})


def same_port(one: str, other: str) -> bool:
    """Whether two names mean the same port: switches write `Gi1/0/1` in one table and `GigabitEthernet1/0/1` in another."""
    return _short(one) == _short(other)


def _short(name: str) -> tuple[str, str]:
    digits = name.strip().lstrip(ascii_letters)
    letters = name.strip().removesuffix(digits)
    return letters[:2].lower(), digits.strip().lower()


class TableReader(Protocol):
    """Reads the tables of one switch."""

    def read(self, macs: Collection[str]) -> Tables:
        """The tables now, whole at least for these MAC addresses; `PowerFault` where the switch cannot be asked."""

    def close(self) -> None:
        """Let go of sockets and threads."""
