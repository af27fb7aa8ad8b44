"""The phone's SNMP agent: answers who the phone is to those that its settings name, and is off while they name no community.

Source: the J100 guide R4.0 and the J100 template (SNMPSTRING, SNMPADD; SNMPv2c, reading only); the OIDs as public scripts
that read J100 phones have them. Objects that those do not name are not there.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping

from asn1crypto import core

from hil.virtual.phone.parameters import Settings
from hil.virtual.phone.unit import Unit

PORT = 161
_ROOT = "1.3.6.1.4.1.6889.2.69.6.1"
_V2C = 1


class _Binding(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("name", core.ObjectIdentifier), ("value", core.Any)]


class _Bindings(core.SequenceOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = _Binding


class _Pdu(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("id", core.Integer), ("status", core.Integer), ("index", core.Integer), ("bindings", _Bindings)]


class _AnyPdu(core.Choice):  # type: ignore[misc]  # asn1crypto has no types
    _alternatives = [("get", _Pdu, {"implicit": 0}), ("response", _Pdu, {"implicit": 2})]


class _Message(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    _fields = [("version", core.Integer), ("community", core.OctetString), ("pdu", _AnyPdu)]


def answer(request: bytes, community: bytes, told: Mapping[str, str]) -> bytes | None:
    """The response to a GetRequest of SNMPv2c; None to anything else, which gets no answer."""
    try:
        message = _Message.load(request, strict=True)
        version, word, pdu = message["version"].native, message["community"].native, message["pdu"]
        if (version, word, pdu.name) != (_V2C, community, "get"):
            return None
        number, names = pdu.chosen["id"].native, [binding["name"].dotted for binding in pdu.chosen["bindings"]]
    except (ValueError, TypeError, RecursionError):
        return None
    found = [{"name": name, "value": _value(told.get(name))} for name in names]
    response = _Pdu({"id": number, "status": 0, "index": 0, "bindings": found})
    answered: bytes = _Message({"version": _V2C, "community": community, "pdu": ("response", response)}).dump()
    return answered


def objects(unit: Unit) -> dict[str, str]:
    """What the phone tells, by OID: APPINUSE, MACADDR, MODEL and PHONESN."""
    digits = unit.mac_digits
    mac = ":".join(digits[place : place + 2] for place in range(0, 12, 2))
    values = {4: unit.firmware, 50: mac, 52: unit.model, 57: unit.serial}
    return {f"{_ROOT}.{number}.0": value for number, value in values.items()}


def serve(settings: Settings, unit: Unit) -> None:
    """Answer from now on, in a thread of its own; whom SNMPADD does not name hears nothing."""
    community = settings["SNMPSTRING"].encode()
    allowed = frozenset(filter(None, (address.strip() for address in settings["SNMPADD"].split(","))))
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("", PORT))
    threading.Thread(target=_serve, args=(link, community, allowed, objects(unit)), daemon=True).start()


def _serve(link: socket.socket, community: bytes, allowed: frozenset[str], told: Mapping[str, str]) -> None:
    while True:
        request, sender = link.recvfrom(2048)
        if (not allowed or sender[0] in allowed) and (response := answer(request, community, told)) is not None:
            link.sendto(response, sender)


def _value(text: str | None) -> core.Any:
    """A value of SNMPv2c; noSuchObject where there is none."""
    return core.Any(core.Null(implicit=0) if text is None else core.OctetString(text.encode()))
