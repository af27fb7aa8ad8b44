"""The UDP answers that a boot's times and leases rest on: SNTP replies and DHCP acknowledgements.

Sources: RFC 4330 section 4 (SNTP), RFC 2131 section 2 and RFC 2132 section 9.6 (DHCP).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Final, NamedTuple

NTP_PORT, BOOTP_SERVER = (port.to_bytes(2, "big") for port in (123, 67))
NTP_SERVER_MODES: Final = (4, 5)
NTP_EPOCHS = (datetime(2036, 2, 7, 6, 28, 16, tzinfo=UTC), datetime(1900, 1, 1, tzinfo=UTC))  # top bit clear, set
DHCP_COOKIE = b"\x63\x82\x53\x63"
DHCP_MESSAGE_TYPE, DHCP_PAD, DHCP_END, DHCP_ACK = 53, 0, 255, 5


class Acknowledged(NamedTuple):
    """The address that a DHCP server granted, the client's MAC, and the transaction it belongs to."""

    mac: str
    ip: str
    transaction: bytes


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
    if len(payload) < 244 or payload[0] != 2 or payload[2] != 6 or payload[236:240] != DHCP_COOKIE:
        return None
    offset = 240
    while offset < len(payload) and payload[offset] != DHCP_END:
        if payload[offset] == DHCP_PAD:
            offset += 1
            continue
        value = payload[offset + 2 : offset + 2 + payload[offset + 1]] if offset + 1 < len(payload) else b""
        if payload[offset] == DHCP_MESSAGE_TYPE and value == bytes([DHCP_ACK]):
            return Acknowledged(mac_text(payload[28:34]), str(IPv4Address(payload[16:20])), payload[4:8])
        offset += 2 + (payload[offset + 1] if offset + 1 < len(payload) else 0)
    return None
