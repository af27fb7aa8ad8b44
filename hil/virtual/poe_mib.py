"""The part of POWER-ETHERNET-MIB (RFC 3621) that the virtual switch answers, as net-snmp's `pass_persist` asks for it.

Two columns of pethPsePortTable, indexed by group and port: pethPsePortAdminEnable, read-write, and
pethPsePortDetectionStatus, read-only. No I/O: a request is the lines that snmpd sent, an answer those it gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Oid = tuple[int, ...]
ROOT: Oid = (1, 3, 6, 1, 2, 1, 105)
ADMIN_ENABLE: Oid = (*ROOT, 1, 1, 1, 3)
DETECTION_STATUS: Oid = (*ROOT, 1, 1, 1, 6)
TRUE, FALSE = 1, 2
NOTHING = ("NONE",)


class PsePort(Protocol):
    """A port as the table shows it."""

    @property
    def admin(self) -> bool:
        """pethPsePortAdminEnable."""

    @property
    def detection(self) -> int:
        """pethPsePortDetectionStatus."""

    def set_admin(self, on: bool) -> None:
        """Take a new pethPsePortAdminEnable; the status follows later."""


def answer(ports: Mapping[tuple[int, int], PsePort], request: Sequence[str]) -> tuple[str, ...]:
    """Lines that answer `request`: `("get", OID)`, `("getnext", OID)` or `("set", OID, "TYPE VALUE")`."""
    command, oid = request[0], _oid(request[1])
    if oid is None:
        return NOTHING
    match command:
        case "get":
            return _shown(ports, oid)
        case "getnext":
            after = [known for known in _instances(ports) if known > oid]
            return _shown(ports, after[0]) if after else NOTHING
        case "set":
            return (_set(ports, oid, request[2]),)
        case _:
            return NOTHING


def _set(ports: Mapping[tuple[int, int], PsePort], oid: Oid, typed: str) -> str:
    port = ports.get(_index(oid))
    if port is None or oid[:-2] not in (ADMIN_ENABLE, DETECTION_STATUS):
        return "no-creation"
    if oid[:-2] == DETECTION_STATUS:
        return "not-writable"
    kind, _, value = typed.partition(" ")
    if kind != "integer":
        return "wrong-type"
    if value.strip() not in (str(TRUE), str(FALSE)):
        return "wrong-value"
    port.set_admin(value.strip() == str(TRUE))
    return "DONE"


def _shown(ports: Mapping[tuple[int, int], PsePort], oid: Oid) -> tuple[str, ...]:
    port = ports.get(_index(oid))
    if port is None:
        return NOTHING
    if oid[:-2] == ADMIN_ENABLE:
        value = TRUE if port.admin else FALSE
    elif oid[:-2] == DETECTION_STATUS:
        value = port.detection
    else:
        return NOTHING
    return "." + ".".join(map(str, oid)), "integer", str(value)


def _instances(ports: Mapping[tuple[int, int], PsePort]) -> list[Oid]:
    return [(*column, *index) for column in (ADMIN_ENABLE, DETECTION_STATUS) for index in sorted(ports)]


def _index(oid: Oid) -> tuple[int, int]:
    return (oid[-2], oid[-1]) if len(oid) == len(ADMIN_ENABLE) + 2 else (0, 0)


def _oid(text: str) -> Oid | None:
    parts = text.strip().lstrip(".").split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else None
