"""The phone's DHCP client: RFC 2131 over a packet socket, with Avaya's option 242.

Source: "DHCP options" and "DHCP Site Specific Option" of the J100 R4.1.x guide. The lease is not
renewed: a phone lives for one power cycle, and six weeks are the lease that Avaya advises.
"""

from __future__ import annotations

import functools
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hil.virtual.phone.errors import NoAnswer
from hil.virtual.phone.unit import Unit

DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6
MASK, ROUTER, NAME_SERVERS, LOG_SERVERS, TIME_SERVERS, NAME = 1, 3, 6, 7, 42, 12
WANTED_ADDRESS, LEASE, KIND, SERVER, WANTED, MAX_SIZE, VENDOR, CLIENT, AVAYA = 50, 51, 53, 54, 55, 57, 60, 61, 242
_ASKED = bytes([MASK, ROUTER, NAME_SERVERS, LOG_SERVERS, NAME, 15, 26, TIME_SERVERS, 43, LEASE, SERVER, 58, 59, AVAYA])
_COOKIE = b"\x63\x82\x53\x63"
_ETH_IP = 0x0800

# Real seconds: the wire does not know the phone's rate.
WAITS = (1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0)


@dataclass(frozen=True)
class Message:
    """A server's message: transaction, kind (option 53), address offered, options by number."""

    xid: int
    kind: int
    address: str
    options: Mapping[int, bytes]


@dataclass(frozen=True)
class Lease:
    """What the network gave the phone; `settings` is option 242 (and name, NTP and log servers) by parameter name."""

    address: str
    netmask: str
    router: str | None
    settings: Mapping[str, str] = field(default_factory=dict)


def message(unit: Unit, kind: int, xid: int, extra: Mapping[int, bytes] | None = None) -> bytes:
    """A client's broadcast DHCP message."""
    mac = bytes.fromhex(unit.mac_digits)
    options = {
        KIND: bytes([kind]),
        CLIENT: b"\x01" + mac,
        MAX_SIZE: struct.pack("!H", 1500),
        VENDOR: b"ccp.avaya.com",
        NAME: unit.host_name.encode(),
        WANTED: _ASKED,
        **(extra or {}),
    }
    head = struct.pack("!BBBBIHH16x16s192x", 1, 1, 6, 0, xid, 0, 0x8000, mac)
    return head + _COOKIE + b"".join(bytes([number, len(value)]) + value for number, value in options.items()) + b"\xff"


def read_message(datagram: bytes) -> Message | None:
    """A server's message; None where the datagram is not one."""
    if len(datagram) < 240 or datagram[0] != 2 or datagram[236:240] != _COOKIE:
        return None
    options: dict[int, bytes] = {}
    at = 240
    while at + 1 < len(datagram) and datagram[at] != 255:
        if datagram[at] == 0:
            at += 1
            continue
        end = at + 2 + datagram[at + 1]
        if end > len(datagram):
            return None
        options[datagram[at]] = options.get(datagram[at], b"") + datagram[at + 2 : end]
        at = end
    kind = options.get(KIND, b"")
    (xid,) = struct.unpack_from("!I", datagram, 4)
    return Message(xid, kind[0], socket.inet_ntoa(datagram[16:20]), options) if len(kind) == 1 else None


def acceptable(offer: Message, xid: int) -> bool:
    """Whether the phone takes an offer: its own transaction, a server's name, and a lease time."""
    return offer.xid == xid and offer.kind == OFFER and len(offer.options.get(LEASE, b"")) == 4 and SERVER in offer.options


def lease(ack: Message) -> Lease:
    """What an acknowledged message gives."""
    settings = site_settings(ack.options.get(AVAYA, b""))
    for option, name in ((NAME_SERVERS, "DNSSRVR"), (TIME_SERVERS, "SNTPSRVR"), (LOG_SERVERS, "LOGSRVR")):
        if addresses := _addresses(ack.options.get(option, b"")):
            settings.setdefault(name, addresses[0] if name == "LOGSRVR" else ",".join(addresses))
    mask = _addresses(ack.options.get(MASK, b"")) or ["255.255.255.0"]
    routers = _addresses(ack.options.get(ROUTER, b""))
    return Lease(ack.address, mask[0], routers[0] if routers else None, settings)


def site_settings(option: bytes) -> dict[str, str]:
    """Option 242, `NAME=value,NAME=value`; a part without "=" is passed over."""
    parts = (part.partition("=") for part in option.decode("latin-1").rstrip("\0").split(","))
    return {name.strip(): value.strip() for name, equals, value in parts if equals and name.strip()}


def obtain(interface: str, unit: Unit) -> Lease:
    """Asks the network for an address. NoAnswer when all tries are spent (under half a minute)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_IP)) as port:
        port.bind((interface, _ETH_IP))
        for wait in WAITS:
            xid = secrets.randbits(32)
            _send(port, interface, message(unit, DISCOVER, xid))
            offer = _receive(port, wait, functools.partial(acceptable, xid=xid))
            if offer is None:
                continue
            chosen = {WANTED_ADDRESS: socket.inet_aton(offer.address), SERVER: offer.options[SERVER]}
            _send(port, interface, message(unit, REQUEST, xid, chosen))
            answer = _receive(port, wait, functools.partial(_decisive, xid=xid))
            if answer is not None and answer.kind == ACK:
                return lease(answer)
    raise NoAnswer("no DHCP server gave an address")


def _decisive(answer: Message, xid: int) -> bool:
    return answer.xid == xid and answer.kind in (ACK, NAK)


def _addresses(option: bytes) -> list[str]:
    return [socket.inet_ntoa(option[at : at + 4]) for at in range(0, len(option) - len(option) % 4, 4)]


def _send(port: socket.socket, interface: str, payload: bytes) -> None:
    port.sendto(_packet(payload), (interface, _ETH_IP, 0, 0, b"\xff" * 6))


def _packet(payload: bytes) -> bytes:
    """An IPv4 broadcast from port 68 to port 67."""
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0)
    pseudo = struct.pack("!4s4sBBH", b"\0" * 4, b"\xff" * 4, 0, 17, 8 + len(payload))
    udp = udp[:6] + struct.pack("!H", _checksum(pseudo + udp + payload) or 0xFFFF)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + udp + payload


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _receive(port: socket.socket, wait: float, wanted: Callable[[Message], bool]) -> Message | None:
    deadline = time.monotonic() + wait
    while (left := deadline - time.monotonic()) > 0:
        port.settimeout(left)
        try:
            packet = port.recv(65536)
        except TimeoutError:
            return None
        found = read_message(_payload(packet))
        if found is not None and wanted(found):
            return found
    return None


def _payload(packet: bytes) -> bytes:
    """The data of a UDP packet for port 68, else nothing."""
    start = (packet[0] & 0x0F) * 4 if packet else 0
    if len(packet) < start + 8 or packet[9] != 17 or struct.unpack_from("!H", packet, start + 2)[0] != 68:
        return b""
    return packet[start + 8 :]
