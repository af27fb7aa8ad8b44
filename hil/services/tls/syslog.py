"""Syslog over TLS: each message after its length (RFC 5425 section 4.3)."""

from __future__ import annotations

import re

from hil.services.events import EventStream
from hil.services.syslog import publish_syslog
from hil.services.tls.connection import NotSpoken, Requests

LONGEST_MESSAGE = 65_536
"""Octets of a message; RFC 5425 asks receivers for 8,192."""

_LENGTH = re.compile(rb"([1-9]\d{0,5}) ")
_LONGEST_LENGTH = 7


class SyslogOverTls:
    """Makes each message an event, as those over UDP are; nothing is ever answered."""

    ended = False

    def __init__(self, requests: Requests, events: EventStream) -> None:
        self._requests = requests
        self._events = events
        self._held = b""

    def take(self, octets: bytes) -> bytes:
        """Publish all messages that are whole by now."""
        self._held += octets
        caller = self._requests.caller
        while self._held:
            length = _LENGTH.match(self._held)
            if length is None:
                if len(self._held) >= _LONGEST_LENGTH or not self._held.isdigit() or self._held.startswith(b"0"):
                    raise NotSpoken("not syslog with octet counting")
                break
            end = length.end() + int(length[1])
            if end > LONGEST_MESSAGE + _LONGEST_LENGTH:
                raise NotSpoken(f"a message longer than {LONGEST_MESSAGE} octets")
            if len(self._held) < end:
                break
            self._requests.count()
            publish_syslog(self._events, caller.device, caller.client, self._held[length.end() : end])
            self._held = self._held[end:]
        return b""
