"""Who gives addresses on a network, and what with them: a phone's question asked in its name, and every answer to it.

A DHCPDISCOVER takes no address from anybody (RFC 2131 section 3.1). It goes out with this PC's own
MAC, so that switches keep looking for the phone where it is, and asks for answers by broadcast.
"""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from hil.capture.datagrams import DHCP_COOKIE, DHCP_MESSAGE_TYPE, DHCP_OFFER, DHCP_SERVER, dhcp_options
from hil.capture.frames import ETHERNET, Datagram, dissect
from hil.errors import LabFault

LOG_SERVERS, TIME_SERVERS, VENDOR, LEASE_TIME, SITE = 7, 42, 43, 51, 242

VENDOR_CLASS: Final = b"ccp.avaya.com"
"""Option 60 as Avaya documents it for a sibling of the J100; what a J100 says there is not established."""

PATIENCE: Final = 5.0
"""Real seconds in which servers answer: one that first tries whether an address is free takes three."""

_TRIES: Final = 3
MOST_OFFERS: Final = 256
"""Servers that are listened to for each client."""

_CLIENT, _BROADCAST_FLAG, _IPV4 = 68, 0x8000, 0x0800
_DISCOVER = 1
_MAX_SIZE, _CLASS, _WANTED = 57, 60, 55
_ASKED = bytes((1, 3, 6, LOG_SERVERS, 15, 26, TIME_SERVERS, VENDOR, LEASE_TIME, DHCP_SERVER, 58, 59, SITE))
_EVERYBODY = b"\xff" * 6


@dataclass(frozen=True)
class Offer:
    """What a DHCP server would give a client: its own address, the client's, and its options by number."""

    server: str
    address: str
    options: Mapping[int, bytes]

    @property
    def lease(self) -> int | None:
        """Seconds that the address is given for, None where the offer does not tell."""
        value = self.options.get(LEASE_TIME, b"")
        return int.from_bytes(value, "big") if len(value) == 4 else None

    @property
    def site(self) -> str | None:
        """Option 242 as text, None where there is none."""
        value = self.options.get(SITE)
        return None if value is None else value.decode("latin-1").rstrip("\0")


def offers_for(
    macs: Sequence[str], interface: str, *, patience: float = PATIENCE, vendor_class: bytes = VENDOR_CLASS
) -> Mapping[str, tuple[Offer, ...]]:
    """Every server's first offer to a client of each MAC (`c8:1f:ea:83:e8:5a`), asked for on `interface`.

    `LabFault` where that cannot be asked. It takes `patience` real seconds, whoever answers.
    """
    transactions = {secrets.token_bytes(4): mac for mac in macs}
    found: dict[str, dict[str, Offer]] = {mac: {} for mac in macs}
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_IPV4)) as wire:
            wire.bind((interface, _IPV4))
            own = wire.getsockname()[4][:6]
            for _ in range(_TRIES):
                for transaction, mac in transactions.items():
                    wire.send(_frame(own, _discover(transaction, mac, vendor_class)))
                _listen(wire, transactions, found, time.monotonic() + patience / _TRIES)
    except OSError as error:
        tried = f"ask for an address on {interface}"
        raise LabFault("nobody can be asked for addresses", tried=tried, seen=error.strerror or str(error)) from error
    return {mac: tuple(offers.values()) for mac, offers in found.items()}


def _listen(
    wire: socket.socket, transactions: Mapping[bytes, str], found: Mapping[str, dict[str, Offer]], deadline: float
) -> None:
    """Put offers that come until `deadline` where they belong."""
    while (left := deadline - time.monotonic()) > 0:
        wire.settimeout(left)
        try:
            frame = wire.recv(65_536)
        except TimeoutError:
            return
        seen = dissect(ETHERNET, frame)
        if not isinstance(seen, Datagram) or seen.destination[4:] != _CLIENT.to_bytes(2, "big"):
            continue
        mac = transactions.get(seen.payload[4:8])
        offer = read_offer(seen.payload, seen.source)
        if mac is not None and offer is not None and len(found[mac]) < MOST_OFFERS:
            found[mac].setdefault(offer.server, offer)


def read_offer(payload: bytes, source: bytes) -> Offer | None:
    """The DHCPOFFER in a datagram's data, whose packed source address stands for a server that does not name itself."""
    options = dhcp_options(payload)
    if options is None or options.get(DHCP_MESSAGE_TYPE) != bytes((DHCP_OFFER,)):
        return None
    server = options.get(DHCP_SERVER, b"")
    return Offer(str(IPv4Address(server if len(server) == 4 else source[:4])), str(IPv4Address(payload[16:20])), options)


def _discover(transaction: bytes, mac: str, vendor_class: bytes) -> bytes:
    """A client's DHCPDISCOVER, with what a phone asks for (J100 guide, DHCP options)."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    options = {
        DHCP_MESSAGE_TYPE: bytes((_DISCOVER,)),
        _MAX_SIZE: struct.pack("!H", 1500),
        _CLASS: vendor_class,
        _WANTED: _ASKED,
    }
    head = struct.pack("!BBBB4sHH16x16s192x", 1, 1, 6, 0, transaction, 0, _BROADCAST_FLAG, hardware)
    return head + DHCP_COOKIE + b"".join(bytes((kind, len(value))) + value for kind, value in options.items()) + b"\xff"


def _frame(own: bytes, payload: bytes) -> bytes:
    """An Ethernet broadcast from a client that has no address yet; a UDP checksum of 0 says that there is none."""
    udp = struct.pack("!HHHH", _CLIENT, 67, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return _EVERYBODY + own + _IPV4.to_bytes(2, "big") + head + udp


def _checksum(header: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
