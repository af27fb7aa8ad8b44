"""LLDP at the PC's own interface: for a phone on a cable of its own, behind a mirror, or behind a switch that passes LLDP on.

Phones are silent until they hear LLDP, so the PC announces itself first.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hil.bench.tables import Neighbour
from hil.bench.tables.lldpdu import CHASSIS_MAC, ETHERTYPE, NAME, NEAREST_BRIDGE, PORT_NAME, read_unit, tlv, unit
from hil.errors import Misuse

_HEADER = 14
_LONGEST = 2048
_MOST_FRAMES = 1000


class Ear:
    """The PC's LLDP on one interface."""

    def __init__(self, interface: str, link: socket.socket) -> None:
        self._interface = interface
        self._link = link
        self._own: bytes = link.getsockname()[4][:6]
        self._heard: dict[str, Neighbour] = {}

    def announce(self) -> None:
        """Say who we are, which makes phones answer within two seconds. OSError where the interface is down."""
        data = unit(bytes((CHASSIS_MAC,)) + self._own, bytes((PORT_NAME,)) + self._interface.encode(), tlv(NAME, b"j100-hil"))
        self._link.send(NEAREST_BRIDGE + self._own + ETHERTYPE.to_bytes(2, "big") + data)

    def heard(self) -> tuple[Neighbour, ...]:
        """Whoever announced himself since we listen, the last word of each; `port` is the interface."""
        for _ in range(_MOST_FRAMES):
            try:
                frame, (_, _, kind, *_) = self._link.recvfrom(_LONGEST)
            except BlockingIOError:
                break
            seen = read_unit(frame[_HEADER:], self._interface)
            if kind != socket.PACKET_OUTGOING and seen is not None and seen[0].mac is not None:
                self._heard[seen[0].mac] = seen[0]
        return tuple(self._heard.values())


@contextmanager
def ear(interface: str) -> Iterator[Ear]:
    """Listen on `interface`; `Misuse` where this process may not."""
    try:
        link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETHERTYPE))
    except PermissionError as error:
        remedy = "run it as root, or leave out --listen"
        raise Misuse(f"this process may not hear frames on {interface}", key="--listen", remedy=remedy) from error
    with link:
        link.bind((interface, ETHERTYPE))
        yield Ear(interface, link)
