"""An SNTP server that tells the time the phones of a bench live in (RFC 4330)."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime, timedelta
from typing import cast

from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.roster import Roster

NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
_HEADER = struct.Struct("!BBbbII4sQQQQ")
_CLIENT, _SERVER = 3, 4
_PRECISION = -20


def ntp_timestamp(instant: datetime) -> int:
    """`instant` as the 64-bit NTP timestamp of its era (RFC 4330 section 3)."""
    since = instant - NTP_EPOCH
    seconds = since.days * 86_400 + since.seconds
    return (seconds % 2**32) << 32 | (since.microseconds << 32) // 1_000_000


def sntp_answer(request: bytes, received: datetime, sent: datetime) -> bytes | None:
    """The server's packet for a client's, None where `request` is not a client's (RFC 4330 section 5)."""
    if len(request) < _HEADER.size or request[0] & 7 != _CLIENT:
        return None
    first, _, poll, *_, transmit = _HEADER.unpack_from(request)
    version = first >> 3 & 7
    now = ntp_timestamp(sent)
    return _HEADER.pack(version << 3 | _SERVER, 1, poll, _PRECISION, 0, 0, b"LOCL", now, transmit, ntp_timestamp(received), now)


class TimeTold:
    """What time each device is told: how far ahead of its bench's, None where it is told none."""

    def __init__(self) -> None:
        self._ahead: dict[str, timedelta | None] = {}

    def ahead_of(self, device: str | None) -> timedelta | None:
        """How far ahead of the time it lives in `device` is told to be, None where it gets no answer."""
        return self._ahead.get(device, timedelta()) if device else timedelta()

    def shift(self, device: str, ahead: float | None) -> None:
        """From now on tell `device` a time that is `ahead` phone seconds ahead, or none."""
        self._ahead[device] = None if ahead is None else timedelta(seconds=ahead)


class SntpServer(asyncio.DatagramProtocol):
    """Answers on one UDP socket in the time of whoever asks, or in that which it shall be told."""

    def __init__(self, events: EventStream, roster: Roster, told: TimeTold) -> None:
        self._events = events
        self._roster = roster
        self._told = told
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        device = self._roster.resident(addr[0])
        clock = self._events.clock_of(device)
        client = f"{addr[0]}:{addr[1]}"
        ahead = self._told.ahead_of(device)
        if ahead is None:
            self._events.publish(EventName.TIME_WITHHELD, device=device, client=client)
            return
        received = clock.now() + ahead
        answer = sntp_answer(data, received, clock.now() + ahead)
        if answer is None or self._transport is None:
            self._events.publish(EventName.STRAY, client=client, reason="not an SNTP client's packet", size=len(data))
            return
        self._transport.sendto(answer, addr)
        port = self._transport.get_extra_info("sockname")[1]
        self._events.publish(EventName.TIME_SERVED, device=device, client=client, port=port, told=received.isoformat())

    def error_received(self, exc: Exception) -> None:
        self._events.publish(EventName.FAULT, text=f"SNTP: {exc}")
