"""One captured frame as what it carries: a TCP segment, a UDP datagram, or nothing of interest.

Link types by their LINKTYPE_ number (tcpdump.org/linktypes.html): Ethernet with VLAN tags, PPPoE or SNAP, Linux
cooked (SLL, SLL2), PPP, raw IP and BSD loopback. Lengths come from the IP header, so that padding is no data.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

ETHERNET: Final = 1
IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
VLAN_TAGS = frozenset((0x8100, 0x88A8, 0x9100))
PPPOE, SNAP, LEAST_ETHERTYPE = 0x8864, b"\xaa\xaa\x03\0\0\0", 0x600
PPP_KINDS, PPP_ADDRESS = {0x0021: IPV4, 0x0057: IPV6}, b"\xff\x03"
MAX_TAGS = 5
MAX_EXTENSIONS = 8
LOOPBACK = frozenset((0, 108))
RAW_IP = frozenset((12, 14, 101, 228, 229))
PPP, SLL, SLL2 = 9, 113, 276
KNOWN_LINKS = frozenset((ETHERNET, PPP, SLL, SLL2)) | LOOPBACK | RAW_IP
HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60

_ipv4_head = Struct(">BxHHHxB").unpack_from
_tcp = Struct(">HHIIBB").unpack_from


class Segment(NamedTuple):
    """A TCP segment; `source` and `destination` are packed address and port, `mac` the sender's where the link has one.

    `acknowledged` means something only where `flags` have ACK.
    """

    source: bytes
    destination: bytes
    mac: bytes | None
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes


class Datagram(NamedTuple):
    """A UDP datagram; `source` and `destination` are packed address and port."""

    source: bytes
    destination: bytes
    payload: bytes


class Unread(NamedTuple):
    """Why a frame that might matter was not read."""

    reason: str


class Fragment(NamedTuple):
    """A part of an IP packet; `identity` is the same in all its parts, `offset` where `payload` stands in it."""

    identity: tuple[bytes, bytes, int, int]
    offset: int
    more: bool
    payload: bytes
    mac: bytes | None


Content = Segment | Datagram | Fragment | Unread | None


def dissect(link: int, data: bytes) -> Content:
    """What a frame carries; None for what is neither TCP nor UDP over IP, or is too short to tell."""
    if link == ETHERNET:
        return _carried(data, 14, _short(data, 12), data[6:12])
    if link in (SLL, SLL2):
        offset, kind_at, size, address = (16, 14, _short(data, 4), 6) if link == SLL else (20, 0, _byte(data, 11), 12)
        return _carried(data, offset, _short(data, kind_at), data[address : address + 6] if size == 6 else None)
    if link in LOOPBACK:
        return _ip(data, 4, None)
    if link in RAW_IP:
        return _ip(data, 0, None)
    if link == PPP:
        offset = 2 if data[:2] == PPP_ADDRESS else 0
        return _carried(data, offset + 2, PPP_KINDS.get(_short(data, offset), 0), None)
    return Unread(f"link type {link} is not one that can be read")


def _carried(data: bytes, offset: int, kind: int, mac: bytes | None) -> Content:
    """What stands at `offset` by its EtherType, within VLAN tags, PPPoE (RFC 2516) or SNAP (RFC 1042)."""
    for _ in range(MAX_TAGS):
        if kind in (IPV4, IPV6):
            return _ip(data, offset, mac)
        if kind in VLAN_TAGS:
            offset, kind = offset + 4, _short(data, offset + 2)
        elif kind == PPPOE:
            offset, kind = offset + 8, PPP_KINDS.get(_short(data, offset + 6), 0)
        elif kind < LEAST_ETHERTYPE and data[offset : offset + 6] == SNAP:
            offset, kind = offset + 8, _short(data, offset + 6)
        else:
            break
    return None


def _byte(data: bytes, offset: int) -> int:
    return data[offset] if offset < len(data) else 0


def _short(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")


def _ip(data: bytes, offset: int, mac: bytes | None) -> Content:
    version = _byte(data, offset) >> 4
    if version == 4 and len(data) >= offset + 20:
        return _ipv4(data, offset, mac)
    if version == 6 and len(data) >= offset + 40:
        return _ipv6(data, offset, mac)
    return None


def _ipv4(data: bytes, offset: int, mac: bytes | None) -> Content:
    first, total, identifier, place, protocol = _ipv4_head(data, offset)
    header = (first & 15) * 4
    if header < 20 or protocol not in (TCP, UDP):
        return None
    end = min(offset + total, len(data)) if total else len(data)  # 0: left to the network card, which cut the packet itself
    source, destination = data[offset + 12 : offset + 16], data[offset + 16 : offset + 20]
    if place & 0x3FFF:  # more fragments, or an offset
        identity = (source, destination, protocol, identifier)
        return Fragment(identity, (place & 0x1FFF) * 8, bool(place & 0x2000), data[offset + header : end], mac)
    return transport(data, offset + header, end, protocol, source, destination, mac)


def _ipv6(data: bytes, offset: int, mac: bytes | None) -> Content:
    length, protocol = _short(data, offset + 4), data[offset + 6]
    source, destination = data[offset + 8 : offset + 24], data[offset + 24 : offset + 40]
    offset += 40
    end = min(offset + length, len(data)) if length else len(data)
    for _ in range(MAX_EXTENSIONS):
        if protocol in (HOP_BY_HOP, ROUTING, DESTINATION):
            protocol, offset = _byte(data, offset), offset + 8 + _byte(data, offset + 1) * 8
        elif protocol == AUTHENTICATION:
            protocol, offset = _byte(data, offset), offset + 8 + _byte(data, offset + 1) * 4
        else:
            break
    if protocol == FRAGMENT:
        place = _short(data, offset + 2)
        identity = (source, destination, _byte(data, offset), int.from_bytes(data[offset + 4 : offset + 8], "big"))
        return Fragment(identity, place & 0xFFF8, bool(place & 1), data[offset + 8 : end], mac)
    return transport(data, offset, end, protocol, source, destination, mac)


def transport(
    data: bytes, offset: int, end: int, protocol: int, source: bytes, destination: bytes, mac: bytes | None
) -> Segment | Datagram | None:
    """What stands between `offset` and `end` by IP's protocol number, between packed addresses."""
    if protocol == TCP and offset + 20 <= end:
        _, _, sequence, acknowledged, size, flags = _tcp(data, offset)
        header = (size >> 4) * 4
        if header < 20:
            return None
        ports = data[offset : offset + 4]
        payload = data[offset + header : end]
        return Segment(source + ports[:2], destination + ports[2:], mac, sequence, acknowledged, flags, payload)
    if protocol == UDP and offset + 8 <= end:
        ports, length = data[offset : offset + 4], _short(data, offset + 4)
        stop = min(end, offset + length) if length >= 8 else end
        return Datagram(source + ports[:2], destination + ports[2:], data[offset + 8 : stop])
    return None
