"""Records and handshake messages of TLS: their numbers and bounds (RFC 5246 section 6.2 and 7.4, RFC 8446 section 4.2)."""

from __future__ import annotations

MAX_RECORD = 2**14 + 2_048  # RFC 5246 section 6.2.3
MAX_MESSAGE = 2**17
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION, HEARTBEAT = 20, 21, 22, 23, 24
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
ENCRYPT_THEN_MAC, SUPPORTED_VERSIONS = 22, 43


def extensions(hello: bytes) -> dict[int, bytes]:
    """The extensions of a ServerHello by their number."""
    at = 35 + (hello[34] if len(hello) > 34 else 0) + 3  # version, random, session id, cipher suite, compression
    at += 2
    found = {}
    while at + 4 <= len(hello):
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        found[kind] = hello[at + 4 : at + 4 + size]
        at += 4 + size
    return found
