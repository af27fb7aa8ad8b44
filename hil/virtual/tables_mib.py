"""The tables of the virtual switch as management asks for them: LLDP-MIB, its MED extension, BRIDGE-MIB,
RSTP-MIB, Q-BRIDGE-MIB, IF-MIB.

Read-only, as net-snmp's `pass_persist` asks. The four numberings of a port are four different numbers here, as they
are on many a switch, so that whoever takes one for another is found out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from hil.bench.tables import Neighbour

Oid = tuple[int, ...]
Typed = tuple[str, str]

LLDP: Oid = (1, 0, 8802, 1, 1, 2)
BRIDGE: Oid = (1, 3, 6, 1, 2, 1, 17)
IF_NAME: Oid = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1, 1)
IF_STATUS: Oid = (1, 3, 6, 1, 2, 1, 2, 2, 1, 8)
ROOTS = (LLDP, BRIDGE, IF_NAME, IF_STATUS)

_REMOTE: Oid = (*LLDP, 1, 4, 1, 1)
_LOCAL: Oid = (*LLDP, 1, 3, 7, 1)
_INVENTORY: Oid = (*LLDP, 1, 5, 4795, 1, 3, 3, 1)
_MED_COLUMNS = {"hardware": 1, "firmware": 2, "software": 3, "serial": 4, "maker": 5, "model": 6}
_MAC, _ADDRESS, _PORT_MAC, _NAME, _LOCALLY = 4, 5, 3, 5, 7
_LEARNED, _UP, _DOWN = 3, 1, 2
_VLAN = 1
_SPANNING = {"disabled": 1, "blocking": 2, "listening": 3, "learning": 4, "forwarding": 5}
_TRUE, _FALSE = 1, 2


@dataclass(frozen=True)
class SwitchPort:
    """A port as the tables show it; `stations` are the MAC addresses that the bridge has learned there.

    `spanning` is the kernel's word for what spanning tree does with it; `edge` None: the switch does not tell.
    """

    name: str
    interface: int
    bridge: int
    lldp: int
    up: bool
    neighbours: tuple[Neighbour, ...]
    stations: tuple[str, ...]
    spanning: str
    edge: bool | None


def values(ports: Sequence[SwitchPort], *, inventory: bool, forwarding: bool, described: bool) -> Mapping[Oid, Typed]:
    """Every instance with its value. Without `inventory` or `forwarding` those tables are empty; `described` ports are named by
    the description of their LLDP port alone, whose ID is a number of the vendor's own.
    """
    found: dict[Oid, Typed] = {}
    for port in ports:
        found[*IF_NAME, port.interface] = "string", port.name
        found[*IF_STATUS, port.interface] = "integer", str(_UP if port.up else _DOWN)
        found[*BRIDGE, 1, 4, 1, 2, port.bridge] = "integer", str(port.interface)
        found[*BRIDGE, 2, 15, 1, 3, port.bridge] = "integer", str(_SPANNING[port.spanning])
        if port.edge is not None:
            found[*BRIDGE, 2, 19, 1, 2, port.bridge] = "integer", str(_TRUE if port.edge else _FALSE)
        found |= _local(port, described)
        if forwarding:
            found |= dict(_forwarding(port))
        for number, neighbour in enumerate(port.neighbours, 1):
            found |= dict(_remote((0, port.lldp, number), neighbour))
            found |= dict(_inventory((0, port.lldp, number), neighbour) if inventory else ())
    return found


def answer(known: Mapping[Oid, Typed], order: Sequence[Oid], request: Sequence[str]) -> tuple[str, ...]:
    """Lines that answer `("get", OID)` or `("getnext", OID)`, `order` being the instances in theirs; nothing here can be set."""
    command, oid = request[0], tuple(int(part) for part in request[1].strip().lstrip(".").split(".") if part.isdigit())
    if command == "set":
        return ("not-writable",)
    if command == "getnext":
        root = next((root for root in ROOTS if oid[: len(root)] == root), ())
        place = bisect_right(order, oid)
        oid = order[place] if place < len(order) and order[place][: len(root)] == root else ()
    if oid not in known:
        return ("NONE",)
    return "." + ".".join(map(str, oid)), *known[oid]


def _local(port: SwitchPort, described: bool) -> dict[Oid, Typed]:
    subtype, identifier = (_LOCALLY, f"{port.lldp:04}") if described else (_NAME, port.name)
    return {
        (*_LOCAL, 2, port.lldp): ("integer", str(subtype)),
        (*_LOCAL, 3, port.lldp): ("string", identifier),
        (*_LOCAL, 4, port.lldp): ("string", port.name if described else "virtual port"),
    }


def _forwarding(port: SwitchPort) -> Iterator[tuple[Oid, Typed]]:
    for mac in port.stations:
        index = (_VLAN, *bytes.fromhex(mac.replace(":", "")))
        yield (*BRIDGE, 7, 1, 2, 2, 1, 2, *index), ("integer", str(port.bridge))
        yield (*BRIDGE, 7, 1, 2, 2, 1, 3, *index), ("integer", str(_LEARNED))


def _remote(index: Oid, neighbour: Neighbour) -> Iterator[tuple[Oid, Typed]]:
    mac = bytes.fromhex((neighbour.mac or "").replace(":", ""))
    if neighbour.address:
        chassis, identifier = _ADDRESS, b"\x01" + IPv4Address(neighbour.address).packed
    else:
        chassis, identifier = _MAC, mac
    yield (*_REMOTE, 4, *index), ("integer", str(chassis))
    yield (*_REMOTE, 5, *index), _octets(identifier)
    yield (*_REMOTE, 6, *index), ("integer", str(_PORT_MAC))
    yield (*_REMOTE, 7, *index), _octets(mac)
    yield (*_REMOTE, 9, *index), ("string", neighbour.name or "")


def _inventory(index: Oid, neighbour: Neighbour) -> Iterable[tuple[Oid, Typed]]:
    for name, column in _MED_COLUMNS.items():
        if text := getattr(neighbour, name):
            yield (*_INVENTORY, column, *index), ("string", text)


def _octets(value: bytes) -> Typed:
    return "octet", value.hex(" ")
