"""A syslog receiver over UDP (RFC 3164); what phones say becomes events."""

from __future__ import annotations

import asyncio
import re

from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.roster import Roster

LONGEST_TEXT = 2_048
"""Characters of a message that are kept; RFC 3164 section 4.1 allows 1,024 octets."""

_PRIORITY = re.compile(r"<(\d{1,3})>")
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


def read_syslog(data: bytes) -> tuple[int | None, str]:
    """Priority (facility * 8 + severity), None where there is none, and the text after it on one line."""
    text = data[: LONGEST_TEXT * 4].decode("utf-8", errors="replace")
    match = _PRIORITY.match(text)
    if match:
        text = text[match.end() :]
    return (int(match[1]) if match else None), text.translate(_CONTROLS).strip()[:LONGEST_TEXT]


def publish_syslog(events: EventStream, device: str | None, client: str, message: bytes) -> None:
    """Make the message of `client`, an address and port, an event."""
    priority, text = read_syslog(message)
    events.publish(EventName.SYSLOG, device=device, client=client, priority=priority, text=text, size=len(message))


class SyslogServer(asyncio.DatagramProtocol):
    """Publishes each datagram as an event of the device that lives at its source address."""

    def __init__(self, events: EventStream, roster: Roster) -> None:
        self._events = events
        self._roster = roster

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        publish_syslog(self._events, self._roster.resident(addr[0]), f"{addr[0]}:{addr[1]}", data)

    def error_received(self, exc: Exception) -> None:
        self._events.publish(EventName.FAULT, text=f"syslog: {exc}")
