"""LLDP data units (IEEE 802.1AB, clause 8) with the inventory of LLDP-MED (ANSI/TIA-1057, 10.2.6), read and written.

A unit is a row of TLVs: seven bits of type, nine of length, a value. Who reads takes what strangers send, so what does
not fit is left out, and never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from hil.bench.tables import Neighbour

ETHERTYPE = 0x88CC
NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
TTL = 120

END, CHASSIS, PORT, TIME, PORT_DESCRIPTION, NAME, DESCRIPTION, CAPABILITIES, ORGANISATION = 0, 1, 2, 3, 4, 5, 6, 7, 127
MED = bytes.fromhex("0012bb")
CHASSIS_MAC, CHASSIS_ADDRESS, PORT_MAC, PORT_NAME = 4, 5, 3, 5
_IPV4 = 1
_INVENTORY = {5: "hardware", 6: "firmware", 7: "software", 8: "serial", 9: "maker", 10: "model"}
_TEXT = {NAME: "name", DESCRIPTION: "description"}
MOST_ITEMS = 128


def tlv(kind: int, value: bytes) -> bytes:
    """One TLV; a value has at most 511 octets."""
    return ((kind << 9) | len(value)).to_bytes(2, "big") + value


def unit(chassis: bytes, port: bytes, *others: bytes, ttl: int = TTL) -> bytes:
    """A data unit of the IDs (subtype and value) and further TLVs."""
    return b"".join((tlv(CHASSIS, chassis), tlv(PORT, port), tlv(TIME, ttl.to_bytes(2, "big")), *others, tlv(END, b"")))


def read_unit(data: bytes, port: str) -> tuple[Neighbour, int] | None:
    """The neighbour at `port` that sent `data`, and for how many seconds that holds; None where it is no data unit."""
    tlvs = list(_tlvs(data))
    if [kind for kind, _ in tlvs[:3]] != [CHASSIS, PORT, TIME] or len(tlvs[2][1]) < 2:
        return None
    chassis, port_id = tlvs[0][1], tlvs[1][1]
    told = dict(_told(tlvs[3:]))
    seen = Neighbour(port, mac_of(chassis, port_id), address_of(chassis), **told)
    return seen, int.from_bytes(tlvs[2][1][:2], "big")


def mac_of(chassis: bytes, port: bytes) -> str | None:
    """The MAC address that a chassis ID or else a port ID holds; each begins with its subtype."""
    for subtype, identifier in ((CHASSIS_MAC, chassis), (PORT_MAC, port)):
        if len(identifier) == 7 and identifier[0] == subtype:
            return identifier[1:].hex(":")
    return None


def address_of(chassis: bytes) -> str | None:
    """The IPv4 address that a chassis ID holds."""
    if len(chassis) == 6 and chassis[:2] == bytes((CHASSIS_ADDRESS, _IPV4)):
        return str(IPv4Address(chassis[2:]))
    return None


def plain(value: bytes) -> str | None:
    """Text of a neighbour without what would disturb a terminal; None where nothing is left."""
    text = "".join(letter for letter in value.decode("utf-8", "replace") if letter.isprintable()).strip()
    return text or None


def _tlvs(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    for _ in range(MOST_ITEMS):
        if place + 2 > len(data):
            return
        head = int.from_bytes(data[place : place + 2], "big")
        kind, end = head >> 9, place + 2 + (head & 0x1FF)
        if kind == END or end > len(data):
            return
        yield kind, data[place + 2 : end]
        place = end


def _told(tlvs: Iterable[tuple[int, bytes]]) -> Iterator[tuple[str, str]]:
    for kind, value in tlvs:
        if kind in _TEXT:
            name, text = _TEXT[kind], plain(value)
        elif kind == ORGANISATION and value[:3] == MED and value[3:4] and value[3] in _INVENTORY:
            name, text = _INVENTORY[value[3]], plain(value[4:])
        else:
            continue
        if text:
            yield name, text
