"""The certificate that a peer presents by EAP-TLS, read from what it sends (RFC 3748 section 4, RFC 5216 section 3.1)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from hil.services.tls.handshake import first_certificate

_RESPONSE, _EAP_TLS = 2, 13
_HAS_LENGTH, _MORE_FRAGMENTS = 0x80, 0x40
_HANDSHAKE_RECORD, _CERTIFICATE_MESSAGE = 22, 11
_LONGEST_FLIGHT = 65_536
"""Octets; what comes after them is not read."""


class EapTlsPeer:
    """One side of a conversation, packet by packet.

    `speaks_tls` is whether it has begun a handshake, `certificate` the DER of its own certificate,
    None until it came. Below TLS 1.3 that is in the clear; the bench offers no higher one.
    """

    def __init__(self) -> None:
        self.speaks_tls = False
        self.certificate: bytes | None = None
        self._flight = b""

    def take(self, packet: bytes) -> None:
        """The next EAP packet from the peer; what is not EAP-TLS is passed over."""
        if len(packet) < 6 or packet[0] != _RESPONSE or packet[4] != _EAP_TLS:
            return
        flags = packet[5]
        self._flight = (self._flight + packet[10 if flags & _HAS_LENGTH else 6 :])[:_LONGEST_FLIGHT]
        if flags & _MORE_FRAGMENTS:
            return
        flight, self._flight = self._flight, b""
        self.speaks_tls = self.speaks_tls or bool(flight)
        for message in _handshake_messages(flight):
            if message[0] == _CERTIFICATE_MESSAGE and self.certificate is None:
                self.certificate = first_certificate(message, ssl.TLSVersion.TLSv1_2)


def _handshake_messages(flight: bytes) -> Iterator[bytes]:
    """The handshake messages of a flight up to the first record of another kind: what follows a change of cipher is sealed."""
    said = b"".join(_handshake_records(flight))
    while len(said) >= 4:
        end = 4 + int.from_bytes(said[1:4], "big")
        if len(said) < end:
            return
        yield said[:end]
        said = said[end:]


def _handshake_records(flight: bytes) -> Iterator[bytes]:
    while len(flight) >= 5 and flight[0] == _HANDSHAKE_RECORD:
        end = 5 + int.from_bytes(flight[3:5], "big")
        yield flight[5:end]
        flight = flight[end:]
