"""TCP ports that SCEP servers of single phones have to themselves, so that a script can have one refuse its connections."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hil.errors import LabFault
from hil.services.listening import Doorway

_CLIENTS_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_UNPRIVILEGED = 1024
_FIRST_UNASSIGNED = 49_152
_TRIES = 20
"""Ports that may be found taken before a door is given up."""


@dataclass
class _Door:
    """The sockets that keep a port for the bench, and what listens there; None while it refuses."""

    port: int
    kept: Sequence[socket.socket]
    way: Doorway | None = None


class Doors:
    """The doors of a lab on each of `hosts`; `doorway` makes what listens at one. All in the lab's event loop."""

    def __init__(self, hosts: Sequence[str], doorway: Callable[[], Doorway]) -> None:
        self._hosts = hosts
        self._doorway = doorway
        self._doors: dict[str, dict[int, _Door]] = {}

    async def make(self, owner: str, slots: Sequence[int]) -> Mapping[int, int]:
        """An open door for each of the owner's slots in place of all that it had; the ports by slot."""
        await self.remove(owner)
        self._doors[owner] = {slot: self._kept() for slot in slots}
        await self.open(owner)
        return {slot: door.port for slot, door in self._doors[owner].items()}

    async def open(self, owner: str) -> None:
        """Have the owner's doors take connections."""
        for door in self._doors.get(owner, {}).values():
            if door.way is None:
                door.way = self._doorway()
                door.way.start([_bound(host, door.port, listening=True) for host in self._hosts])

    async def close(self, owner: str) -> None:
        """Have the owner's doors refuse connections; nobody else gets their ports."""
        for door in self._doors.get(owner, {}).values():
            if door.way is not None:
                way, door.way = door.way, None
                await way.stop()

    async def remove(self, owner: str) -> None:
        """Give the owner's ports back."""
        await self.close(owner)
        for door in self._doors.pop(owner, {}).values():
            for sock in door.kept:
                sock.close()

    async def stop(self) -> None:
        """Give every port back."""
        for owner in tuple(self._doors):
            await self.remove(owner)

    def _kept(self) -> _Door:
        for port in random.sample(never_a_clients(), _TRIES):
            kept = list[socket.socket]()
            try:
                for host in self._hosts:
                    kept.append(_bound(host, port, listening=False))
            except LabFault as fault:
                found = fault
                for sock in kept:
                    sock.close()
            else:
                return _Door(port, kept)
        raise found


def never_a_clients() -> range:
    """Ports that the kernel gives no client, where there are any: at one that it gave nobody could listen again (ip(7)).

    They are among those assigned to no protocol (RFC 6335 section 6), where there are any: at another, who opens the
    capture in Wireshark is shown that protocol and no SCEP.
    """
    first, last = map(int, _CLIENTS_PORTS.read_text().split())
    unassigned = range(max(last + 1, _FIRST_UNASSIGNED), 65_536)
    for apart in (unassigned, range(_FIRST_UNPRIVILEGED, first)):
        if len(apart) >= _TRIES:
            return apart
    return range(_FIRST_UNPRIVILEGED, 65_536)


def _bound(host: str, port: int, *, listening: bool) -> socket.socket:
    """A socket at that port: the first there, or one that listens beside it."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if listening:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # once it is bound: no two keep a port
        if listening:
            sock.listen(128)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        tried = f"listen on {host}:{port} (TCP) for a SCEP server of its own"
        raise LabFault("a server cannot start", port=str(port), tried=tried, seen=error.strerror) from error
    return sock
