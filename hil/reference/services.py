"""The reference at its services over TLS: each is asked now and then, by a connection that is kept or a new one."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from hil.reference.endpoints import Endpoint
from hil.reference.store import Held, key_pem

_PATIENCE = 10.0
"""Real seconds for a connection, a handshake and an answer."""

Identity = Callable[[str], Held | None]
"""The certificate, with its key, that a service is to be shown now."""
Report = Callable[[str, Mapping[str, object]], None]


@dataclass
class _Kept:
    """An open connection, and how often something was said on it."""

    socket: ssl.SSLSocket
    said: int = 0


@dataclass
class Services:
    """Connections to `endpoints` from one address; a server must be certified by one of the CAs in `trust` (PEM).

    `hosts` are the addresses of hosts that an endpoint has by their names.
    """

    endpoints: Sequence[Endpoint]
    trust: str
    identity: Identity
    report: Report
    local_address: str | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    _open: dict[str, _Kept] = field(default_factory=dict)

    def attend(self) -> None:
        """Say something to each service; one that does not answer is told of, and asked again the next time."""
        for endpoint in self.endpoints:
            try:
                self._attend(endpoint)
            except OSError as failure:
                self._drop(endpoint)
                self.report("service failed", {"service": endpoint.service, "reason": str(failure)})

    def close(self) -> None:
        """End every connection."""
        for endpoint in self.endpoints:
            self._drop(endpoint)

    def _attend(self, endpoint: Endpoint) -> None:
        kept = self._open.get(endpoint.service)
        if kept is None or _was_closed(kept.socket):
            self._drop(endpoint)
            kept = self._open[endpoint.service] = _Kept(self._connect(endpoint))
        kept.socket.sendall(endpoint.speech(kept.said))
        kept.said += 1
        if endpoint.answers and not kept.socket.recv(65_536):
            raise OSError("closed without an answer")
        if not endpoint.kept:
            self._drop(endpoint)

    def _connect(self, endpoint: Endpoint) -> ssl.SSLSocket:
        context = trusting(self.trust)
        held = self.identity(endpoint.service)
        if held is not None:
            _show(context, held)
        source = (self.local_address, 0) if self.local_address else None
        address = (self.hosts.get(endpoint.host, endpoint.host), endpoint.port)
        raw = socket.create_connection(address, timeout=_PATIENCE, source_address=source)
        try:
            secured = context.wrap_socket(raw, server_hostname=endpoint.host)
        except BaseException:
            raw.close()
            raise
        serial = f"{held.certificate.serial:x}" if held else None
        self.report("connected", {"service": endpoint.service, "serial": serial})
        return secured

    def _drop(self, endpoint: Endpoint) -> None:
        kept = self._open.pop(endpoint.service, None)
        if kept is not None:
            kept.socket.close()


def trusting(authorities: str) -> ssl.SSLContext:
    """What believes servers that `authorities` (PEM) certify, in the newest TLS that the documents name (J100 template)."""
    context = ssl.create_default_context(cadata=authorities)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def _was_closed(kept: ssl.SSLSocket) -> bool:
    """Whether the server has ended the connection since something was last said on it."""
    kept.setblocking(False)
    try:
        return kept.recv(1) == b""
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        kept.settimeout(_PATIENCE)


def _show(context: ssl.SSLContext, held: Held) -> None:
    """Have `context` present a certificate, whose key never touches a disk."""
    memory = os.memfd_create("tls-client")
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(key_pem(held.key))
            file.write(ssl.DER_cert_to_PEM_cert(held.certificate.der).encode())
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    finally:
        os.close(memory)
