"""Which services a bench offers over TLS, and what speaks their protocols."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection, Mapping, Sequence

from hil.errors import Misuse
from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.http import HttpServer, Routes
from hil.services.roster import Roster
from hil.services.tls.connection import Caller, Requests, Speech, Talk
from hil.services.tls.handshake import Credentials
from hil.services.tls.keylog import KeyLogs
from hil.services.tls.ldap import Directory
from hil.services.tls.server import Speaker, TlsServer
from hil.services.tls.sip import Registrar
from hil.services.tls.syslog import SyslogOverTls
from hil.services.web import Call, Peer, Reply, Served, Site
from hil.settings.usage import PUBLIC_HOSTS

WEB_SERVICES = ("RINGCENTRAL", "PUSH", "PPM", "XSI")
SERVICES = ("SIP", "PROVISIONING", "LDAP", "SYSLOG", *WEB_SERVICES)
"""As SCEP_USAGE names them; 8021X, the one that is missing, is no service on an address."""


SCEP = "SCEP"
"""What connections to SCEP over TLS are called in events; SCEP_USAGE does not name it, and no certificate is due there."""


def by_port(ports: Mapping[str, int]) -> Mapping[tuple[str, ...], int]:
    """The services that share a port, with that port; first the one that is asked for by its address. Port 0 is shared by none.

    Raises `Misuse` for a port of two services that nothing tells apart.
    """
    sharing: dict[object, list[str]] = {}
    for service in sorted(ports, key=lambda service: service in PUBLIC_HOSTS):
        others = sharing.setdefault(ports[service] or service, [])
        if others and service not in PUBLIC_HOSTS:
            raise Misuse(f"{others[0]} and {service} have one port, {ports[service]}", key="tls", remedy="give each its own")
        others.append(service)
    return {tuple(services): ports[services[0]] for services in sharing.values()}


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

    def __init__(self, events: EventStream, roster: Roster, files: Site, scep: Site) -> None:
        self.key_logs = KeyLogs()
        self._scep = scep
        self._events = events
        self._roster = roster
        self._files = files
        self._credentials: Credentials | None = None
        self._web: list[HttpServer] = []
        self._servers: dict[str, TlsServer] = {}

    async def start(self, listeners: Mapping[tuple[str, ...], Sequence[socket.socket]], credentials: Credentials) -> None:
        """Offer the services of each of `listeners` there, with the certificate in `credentials`, which `stop` closes.

        Those that share one are told apart by the host that a client asks for. `SCEP` comes in elsewhere: `taker` takes it.
        """
        self._credentials = credentials
        for services, sockets in {**listeners, (SCEP,): ()}.items():
            server = TlsServer(
                {service: await self._speaker(service) for service in services},
                hosts={PUBLIC_HOSTS[service]: service for service in services if service in PUBLIC_HOSTS},
                credentials=credentials,
                events=self._events,
                roster=self._roster,
                key_logs=self.key_logs,
            )
            server.start(sockets)
            self._servers |= dict.fromkeys(services, server)

    def taker(self, service: str) -> Callable[[socket.socket, Peer], None]:
        """What takes connections to `service` that were made elsewhere; once started."""
        return self._servers[service].take

    async def hang_up(self, service: str, addresses: Collection[str]) -> int:
        """End the open connections that clients at `addresses` have to `service`; how many those were."""
        return await self._servers[service].hang_up(service, addresses)

    async def stop(self) -> None:
        """Close everything."""
        await asyncio.gather(*(server.stop() for server in set(self._servers.values())))
        await asyncio.gather(*(web.stop() for web in self._web))
        if self._credentials is not None:
            self._credentials.close()

    async def _speaker(self, service: str) -> Speaker:
        if service in ("PROVISIONING", SCEP, *WEB_SERVICES):
            keeps = service in WEB_SERVICES
            site = Routes(self._scep, Anything(self._roster) if keeps else self._files)
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
