"""The bench's RADIUS server: a real hostapd that lets through whoever holds a certificate of the bench CA."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.evidence import EventName
from hil.scep.authority import Authority, to_pem
from hil.secret import Secret
from hil.services.events import EventStream
from hil.services.radius.log import Conversation, ServerLog
from hil.services.roster import Roster
from hil.services.supervised import Supervised
from hil.services.tls.handshake import Credentials
from hil.services.tls.server import described

SERVICE = "8021X"
"""As SCEP_USAGE names it."""

_STARTED = "AP-ENABLED"
_DUMP = "hexdump"


@dataclass(frozen=True)
class RadiusPlan:
    """What hostapd is to do: clients are addresses or networks (`192.0.2.2`, `127.0.0.0/8`) with the secret shared with each.

    `stations` are MACs (lower case, colons) and the devices that have them. `folder`, which is the
    owner's alone, takes what hostapd reads.
    """

    folder: Path
    port: int
    clients: Mapping[str, Secret]
    stations: Mapping[str, str]
    program: str = field(default="hostapd")

    def command(self) -> list[str]:
        """The command line: -dd shows the messages in which a peer presents its certificate."""
        return [self.program, "-dd", str(self.folder / "hostapd.conf")]

    def write(self, credentials: str, trusted: Sequence[bytes]) -> None:
        """Write what hostapd reads: `credentials` is the file of its certificate and key, `trusted` are PEM certificates.

        A peer's certificate is verified without its dates, which are those of a phone's own time.
        TLS 1.3 would hide it.
        """
        configuration = {
            "interface": "lo",
            "driver": "none",
            "logger_stdout": "0",
            "eap_server": "1",
            "eap_user_file": self._file("users", b"* TLS\n"),
            "ca_cert": self._file("trusted.pem", b"".join(trusted)),
            "server_cert": credentials,
            "private_key": credentials,
            "openssl_ciphers": "DEFAULT:@SECLEVEL=0",
            "tls_flags": "[DISABLE-TIME-CHECKS][DISABLE-TLSv1.3]",
            "tls_session_lifetime": "0",
            "radius_server_clients": self._file(
                "clients", "".join(f"{client} {secret.reveal()}\n" for client, secret in self.clients.items()).encode()
            ),
            "radius_server_auth_port": str(self.port),
        }
        self._file("hostapd.conf", "".join(f"{name}={value}\n" for name, value in configuration.items()).encode())

    def _file(self, name: str, content: bytes) -> str:
        """A file that its owner alone may read."""
        file = self.folder / name
        with suppress(FileNotFoundError):
            file.unlink()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
        return str(file)


class RadiusServer(Supervised):
    """The running server; a context manager. Each EAP-TLS handshake is an event, as those of other services are."""

    def __init__(self, plan: RadiusPlan, authority: Authority, events: EventStream, roster: Roster) -> None:
        log = ServerLog(self._publish, self._stray)
        super().__init__(
            "hostapd",
            plan.command(),
            events,
            started=_STARTED,
            heard=log.take,
            port=str(plan.port),
            quotable=lambda line: _DUMP not in line,
        )
        self._plan = plan
        self._authority = authority
        self._roster = roster

    def start(self) -> None:
        """Return once hostapd serves; raises LabFault with its last words where it does not."""
        credentials = Credentials(self._authority, (), ("radius.bench",))
        try:
            trusted = (self._authority.certificate, *self._authority.chain)
            self._plan.write(credentials.file, [to_pem(certificate) for certificate in trusted])
            super().start()
        finally:
            credentials.close()  # hostapd has read it

    def _publish(self, over: Conversation) -> None:
        address = over.client.rpartition(":")[0]
        device = self._roster.resident(address) or self._plan.stations.get(over.mac)
        told: dict[str, Any] = {"service": SERVICE, "switch": over.client, "mac": over.mac, "identity": over.identity}
        if not over.peer.speaks_tls:
            self._events.publish(EventName.STRAY, device=device, reason="not EAP-TLS", **told)
            return
        if over.failure:
            told |= {"failure": over.failure, "alert": over.alert}
        told |= described(over.peer.certificate)
        self._events.publish(EventName.TLS_HANDSHAKE, device=device, **told)

    def _stray(self, reason: str) -> None:
        self._events.publish(EventName.STRAY, service=SERVICE, reason=reason)
