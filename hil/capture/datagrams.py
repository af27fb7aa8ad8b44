"""The UDP answers that a boot's times and leases rest on: SNTP replies and DHCP acknowledgements.

Sources: RFC 4330 section 4 (SNTP), RFC 2131 section 2 and RFC 2132 section 9.6 (DHCP).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Final, NamedTuple

NTP_PORT, BOOTP_SERVER = (port.to_bytes(2, "big") for port in (123, 67))
NTP_SERVER_MODES: Final = (4, 5)
NTP_EPOCHS = (datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC))  # top bit clear, set
DHCP_COOKIE = b"\x63\x82\x53\x63"
DHCP_OVERLOAD, DHCP_MESSAGE_TYPE, DHCP_SERVER, DHCP_PAD, DHCP_END = 52, 53, 54, 0, 255
DHCP_OFFER, DHCP_ACK = 2, 5


class Acknowledged(NamedTuple):
    """The address that a DHCP server granted, the client's MAC, and the transaction it belongs to."""

    mac: str
    ip: str
    transaction: bytes


class Served(NamedTuple):
    """A client's MAC, and the address of a DHCP server that offered or granted it something."""

    mac: str
    server: str


def mac_text(mac: bytes) -> str:
    """Six octets as the usual text in lower case."""
    return mac.hex(":")


def sntp_transmit_time(payload: bytes) -> datetime | None:
    """The transmit timestamp of a server's SNTP packet; None for anything else, or where it is unset."""
    if len(payload) < 48 or payload[0] & 7 not in NTP_SERVER_MODES:
        return None
    seconds, fraction = int.from_bytes(payload[40:44], "big"), int.from_bytes(payload[44:48], "big")
    if not seconds:
        return None
    return NTP_EPOCHS[seconds >> 31] + timedelta(seconds=seconds, microseconds=fraction * 10**6 >> 32)


def dhcp_acknowledged(payload: bytes) -> Acknowledged | None:
    """The lease that a DHCPACK grants; None for anything else."""
    options = dhcp_options(payload)
    if options is None or options.get(DHCP_MESSAGE_TYPE) != bytes([DHCP_ACK]):
        return None
    return Acknowledged(mac_text(payload[28:34]), str(IPv4Address(payload[16:20])), payload[4:8])


def dhcp_served(payload: bytes) -> Served | None:
    """Whom an offer or acknowledgement is for, and the server that it names (RFC 2132 section 9.7); None for anything else."""
    options = dhcp_options(payload)
    if options is None or options.get(DHCP_MESSAGE_TYPE) not in (bytes([DHCP_OFFER]), bytes([DHCP_ACK])):
        return None
    server = options.get(DHCP_SERVER, b"")
    return Served(mac_text(payload[28:34]), str(IPv4Address(server))) if len(server) == 4 else None


def dhcp_options(payload: bytes) -> Mapping[int, bytes] | None:
    """The options of a DHCP server's message to an Ethernet client, parts of one joined (RFC 3396); None for anything else.

    Where option 52 says so they go on in the fields of file and server name (RFC 2132 section 9.3).
    """
    if len(payload) < 244 or payload[0] != 2 or payload[2] != 6 or payload[236:240] != DHCP_COOKIE:
        return None
    options: dict[int, bytes] = {}
    _read_options(payload[240:], options)
    overload = options.get(DHCP_OVERLOAD, b"\0")[-1:]
    if overload in (b"\1", b"\3"):
        _read_options(payload[108:236], options)
    if overload in (b"\2", b"\3"):
        _read_options(payload[44:108], options)
    return options


def _read_options(field: bytes, options: dict[int, bytes]) -> None:
    """Add what stands in `field` to `options`; one that is cut short is taken as far as it goes."""
    at = 0
    while at < len(field) and field[at] != DHCP_END:
        if field[at] == DHCP_PAD:
            at += 1
            continue
        length = field[at + 1] if at + 1 < len(field) else 0
        options[field[at]] = options.get(field[at], b"") + field[at + 2 : at + 2 + length]
        at += 2 + length
