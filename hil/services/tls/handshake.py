"""One TLS handshake of a server that takes any client certificate and keeps what it saw.

Python's `ssl` ends a handshake whose client certificate it cannot verify, and then shows nothing of
it. A bench has to see a certificate of a foreign CA too, and one whose dates lie in a phone's own
time. So the certificate is read from the handshake message itself and made a trust anchor of this
connection's context before OpenSSL verifies it. That the client has the private key is still
verified (RFC 8446 section 4.4.3). Each connection therefore has a context of its own.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority, key_to_pem, to_pem

# of OpenSSL's x509_vfy.h and ssl.h, without a name in Python
_NO_CHECK_TIME = 0x200000
_NO_COMPRESSED_CERTIFICATES = 1 << 33

_ALERT, _HANDSHAKE = 21, 22
_CLIENT_HELLO, _CERTIFICATE = 1, 11
_CLOSE_NOTIFY = 0


class Credentials:
    """The server's certificate under the bench CA, made when it is first needed, and its key, which never touches a disk."""

    def __init__(self, authority: Authority, addresses: tuple[str, ...], dns_names: tuple[str, ...] = ()) -> None:
        self._authority = authority
        self._names = addresses, dns_names
        self._memory: int | None = None

    def close(self) -> None:
        """Forget the key."""
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None

    @property
    def file(self) -> str:
        """Path at which this process and those it starts read certificate and key as PEM, until they are closed."""
        if self._memory is None:
            self._memory = self._made()
        return f"/proc/{os.getpid()}/fd/{self._memory}"

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have `context` present the certificate."""
        context.load_cert_chain(self.file)

    def _made(self) -> int:
        authority, key = self._authority, rsa.generate_private_key(65537, 2048)
        own = authority.issue_server(public_key_der(key), *self._names)
        above = [issuer for issuer in (authority.certificate, *authority.chain) if not issuer.self_signed]
        memory = os.memfd_create("tls-server")
        with open(memory, "wb", closefd=False) as file:
            file.write(b"".join((key_to_pem(key), *map(to_pem, (own, *above)))))
        return memory


class Watch:
    """A context for one connection, and what its handshake shows, however it ends.

    `certificate` is the DER of the client's own certificate, `alert` the last one sent or received
    but for close_notify, with who sent it. `host` is the host name that the client asks for, in lower
    case, "" where it names none, as it does at an address (RFC 6066 section 3).
    """

    def __init__(self, credentials: Credentials, key_log: Path | None) -> None:
        self.speaks_tls = False
        self.certificate: bytes | None = None
        self.alert: str | None = None
        self.host = ""
        self.context = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # small keys and SHA-1 are for a test to judge
        credentials.load_into(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
        # A resumed session would show no certificate.
        context.options |= ssl.OP_NO_TICKET | _NO_COMPRESSED_CERTIFICATES
        context.num_tickets = 0
        context.sni_callback = self._on_host
        if key_log is not None:
            context.keylog_filename = str(key_log)
        context._msg_callback = self._on_message  # type: ignore[attr-defined]  # in CPython since 3.8, not in typeshed

    def _on_host(self, _tls: object, host: str | None, _context: object) -> None:
        self.host = (host or "").lower()

    def _on_message(self, _: object, direction: str, version: int, content_type: int, message_type: int, data: bytes) -> None:
        """Called by OpenSSL for each handshake message and alert, before it acts on it."""
        if content_type == _ALERT and message_type != _CLOSE_NOTIFY:
            name = getattr(message_type, "name", str(message_type)).lower().replace("_", " ")
            self.alert = f"{'client' if direction == 'read' else 'bench'}: {name}"
        elif content_type == _HANDSHAKE and direction == "read" and message_type == _CLIENT_HELLO:
            self.speaks_tls = True
        elif content_type == _HANDSHAKE and direction == "read" and message_type == _CERTIFICATE:
            self.certificate = first_certificate(data, version)
            if self.certificate is not None:
                self._trust(self.certificate)

    def _trust(self, certificate: bytes) -> None:
        try:
            self.context.load_verify_locations(cadata=certificate)
        except (ssl.SSLError, ValueError):
            return  # what OpenSSL cannot read ends the handshake, and the failure says so


def first_certificate(message: bytes, version: int) -> bytes | None:
    """DER of the first certificate of a Certificate message, None where it has none (RFC 5246 7.4.2, RFC 8446 4.4.2)."""
    at = 4
    if version == ssl.TLSVersion.TLSv1_3:
        at += 1 + message[4] if len(message) > at else 0
    size = int.from_bytes(message[at + 3 : at + 6], "big")
    return message[at + 6 : at + 6 + size] or None
