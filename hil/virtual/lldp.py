"""LLDP on a port of the virtual switch: it announces itself, and remembers who answers for as long as they say.

What is announced goes no further than the link, as IEEE 802.1AB has it of this address, so the PC's port sees none of it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress

from hil.bench.tables import Neighbour
from hil.bench.tables.lldpdu import (
    CHASSIS_MAC,
    ETHERTYPE,
    NAME,
    NEAREST_BRIDGE,
    PORT_NAME,
    read_unit,
    tlv,
    unit,
)

_HEADER = 14
_LONGEST = 2048
_MOST = 16
"""Neighbours that one port remembers."""


class LldpPort:
    """Announces the switch on `link` every `interval` real seconds, under the port's name, and listens there."""

    def __init__(self, link: str, name: str, chassis: bytes, *, interval: float) -> None:
        self._link = link
        self._name = name
        self._chassis = chassis
        self._interval = interval
        self._neighbours: dict[str | None, tuple[Neighbour, float]] = {}
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(ETHERTYPE))
        self._socket.bind((link, ETHERTYPE))
        self._next: asyncio.TimerHandle | None = None
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """Who announced itself and is still believed."""
        now = time.monotonic()
        return tuple(neighbour for neighbour, until in self._neighbours.values() if until > now)

    def announce(self) -> None:
        """Announce the switch now, and again after each interval."""
        data = unit(
            bytes((CHASSIS_MAC,)) + self._chassis, bytes((PORT_NAME,)) + self._name.encode(), tlv(NAME, b"virtual-switch")
        )
        with suppress(OSError):  # the link goes with the phone's power, and this port with it, a moment later
            self._socket.send(NEAREST_BRIDGE + self._chassis + ETHERTYPE.to_bytes(2, "big") + data)
        self._next = asyncio.get_running_loop().call_later(self._interval, self.announce)

    def stop(self) -> None:
        """Say and hear no more."""
        if self._next is not None:
            self._next.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()

    def _hear(self) -> None:
        try:
            frame, (_, _, kind, *_) = self._socket.recvfrom(_LONGEST)
        except OSError:  # nothing there after all, or the link has gone
            return
        heard = read_unit(frame[_HEADER:], self._name)
        if kind == socket.PACKET_OUTGOING or heard is None:
            return
        neighbour, ttl = heard
        if neighbour.mac in self._neighbours or len(self._neighbours) < _MOST:
            self._neighbours[neighbour.mac] = (neighbour, time.monotonic() + ttl)
