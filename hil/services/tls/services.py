"""Which services a bench offers over TLS, and what speaks their protocols."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence

from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.http import HttpServer
from hil.services.roster import Roster
from hil.services.tls.connection import Caller, Requests, Speech, Talk
from hil.services.tls.handshake import Credentials
from hil.services.tls.keylog import KeyLogs
from hil.services.tls.ldap import Directory
from hil.services.tls.server import TlsServer
from hil.services.tls.sip import Registrar
from hil.services.tls.syslog import SyslogOverTls
from hil.services.web import Call, Reply, Served, Site

WEB_SERVICES = ("RINGCENTRAL", "PUSH", "PPM", "XSI")
SERVICES = ("SIP", "PROVISIONING", "LDAP", "SYSLOG", *WEB_SERVICES)
"""As SCEP_USAGE names them; 8021X, the one that is missing, is no service on an address."""


class Anything:
    """A web service that says yes to everything."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def answer(self, call: Call) -> Served:
        """An empty 200."""
        device = self._roster.resident(call.address)
        return Served(Reply(200, "text/plain", b""), EventName.TLS_REQUEST, device, details={"request": call.method})


class TlsServices:
    """All services of a bench over TLS; their connections are events, and their secrets go to `key_logs`."""

    def __init__(self, events: EventStream, roster: Roster, files: Site) -> None:
        self.key_logs = KeyLogs()
        self._events = events
        self._roster = roster
        self._files = files
        self._credentials: Credentials | None = None
        self._web: list[HttpServer] = []
        self._servers: list[TlsServer] = []

    async def start(self, listeners: Mapping[str, Sequence[socket.socket]], credentials: Credentials) -> None:
        """Offer each service of `listeners` there, with the certificate in `credentials`, which `stop` closes."""
        self._credentials = credentials
        for service, sockets in listeners.items():
            server = TlsServer(
                service,
                await self._speaker(service),
                credentials=credentials,
                events=self._events,
                roster=self._roster,
                key_logs=self.key_logs,
            )
            server.start(sockets)
            self._servers.append(server)

    async def stop(self) -> None:
        """Close everything."""
        await asyncio.gather(*(server.stop() for server in self._servers))
        await asyncio.gather(*(web.stop() for web in self._web))
        if self._credentials is not None:
            self._credentials.close()

    async def _speaker(self, service: str) -> Callable[[Caller], asyncio.Protocol]:
        if service == "PROVISIONING" or service in WEB_SERVICES:
            keeps = service in WEB_SERVICES
            site = Anything(self._roster) if keeps else self._files
            web = HttpServer(site, self._events, keeps=keeps, details={"service": service})
            await web.start(())
            self._web.append(web)
            return lambda _: web.speaker()
        return lambda caller: Talk(self._speech(caller), caller, self._events)

    def _speech(self, caller: Caller) -> Speech:
        requests = Requests(caller, self._events)
        match caller.service:
            case "SIP":
                return Registrar(requests)
            case "LDAP":
                return Directory(requests)
            case _:
                return SyslogOverTls(requests, self._events)
