"""All servers of a bench: one thread, one event loop, one stream of events."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import uvloop

from hil.clock import Clock
from hil.errors import LabFault, Misuse
from hil.evidence import EventName
from hil.scenario import Answer, Issue
from hil.scep.authority import Authority
from hil.scep.ca import DEFAULT_CAPABILITIES, CaService
from hil.scep.endpoint import Endpoint
from hil.scep.signers import Signer, issue
from hil.services.doors import Doors
from hil.services.events import EventStream
from hil.services.files import Content, FileShelf
from hil.services.http import HttpServer, Routes, describe
from hil.services.ledger import Ledger
from hil.services.listening import Doorway
from hil.services.proxy import ProxyDesk
from hil.services.quick import QuickFiles
from hil.services.recording import Recording
from hil.services.relay import Speaker
from hil.services.roster import Roster
from hil.services.scep import CaDesk, ScepSite
from hil.services.sntp import SntpServer, TimeTold
from hil.services.syslog import SyslogServer
from hil.services.tls.handshake import Credentials
from hil.services.tls.services import SCEP, SERVICES, TlsServices, by_port
from hil.services.upstream import Upstream
from hil.settings.usage import PUBLIC_HOSTS

_Done = TypeVar("_Done")
Sockets = Mapping[str, Sequence[socket.socket]]

_PATIENCE = 10.0
_CA_THREADS = 4
BACKLOG = 4_096
"""Connections that wait to be taken: more than any bench has phones that start at once."""


class Lab:
    """Settings files, SCEP, SNTP, syslog and services over TLS for the devices of one bench; a context manager.

    They listen on each address of `hosts` and on no other. Port 0 takes a free one; None leaves the
    server out. `tls` has the port of each service over TLS that is wanted (`SERVICES`), of which one
    that phones know by a public host name may share another's; their certificate, under `authority`,
    is for `hosts`, those names and `dns_names`. `state` is the folder of the CA
    ledger and of what passes to real CAs. Files, scripts and addresses may be changed at any time,
    from any thread.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        authority: Authority,
        state: Path,
        hosts: Sequence[str] = ("127.0.0.1",),
        http_port: int = 0,
        sntp_port: int | None = None,
        syslog_port: int | None = None,
        tls: Mapping[str, int] | None = None,
        dns_names: Sequence[str] = (),
    ) -> None:
        unknown = sorted(set(tls or ()) - set(SERVICES))
        if unknown:
            raise Misuse(f"no service {unknown[0]} over TLS", key="tls", remedy=f"use some of {', '.join(SERVICES)}")
        self._clock = clock
        self._authority = authority
        self._hosts = tuple(hosts)
        self._tls_ports = by_port(tls or {})
        self._dns_names = (*dns_names, *(host for service, host in PUBLIC_HOSTS.items() if service in (tls or {})))
        self._wanted = {"http": http_port, "sntp": sntp_port, "syslog": syslog_port}
        self._wanted |= {_over_tls(services): port for services, port in self._tls_ports.items()}
        self._ports: dict[str, int] = {}
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        state.mkdir(parents=True, exist_ok=True)
        self._state = state
        self._recordings: dict[tuple[str, int], Recording] = {}
        self.events = EventStream(clock)
        self.roster = Roster()
        self.time_told = TimeTold()
        self.ledger = Ledger(state / "ca-ledger.jsonl")
        self._pool = ThreadPoolExecutor(_CA_THREADS, thread_name_prefix="ca")
        self._files = FileShelf(self.roster)
        self._scep = ScepSite(self.events, self.roster, self.ledger)
        self._doors: Doors | None = None
        self._tls = TlsServices(self.events, self.roster, self._files, self._scep)

    def __enter__(self) -> Lab:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def http_port(self) -> int:
        """TCP port of the settings files and of SCEP, in the clear and over TLS, once started."""
        return self._port("http")

    @property
    def sntp_port(self) -> int:
        """UDP port of the SNTP server, once started."""
        return self._port("sntp")

    @property
    def syslog_port(self) -> int:
        """UDP port of the syslog receiver, once started."""
        return self._port("syslog")

    def tls_port(self, service: str) -> int:
        """TCP port of a service over TLS, once started."""
        return self._port(next((_over_tls(services) for services in self._tls_ports if service in services), service))

    def hang_up(self, service: str, devices: Collection[str]) -> None:
        """End the connections that `devices` have to a service over TLS; returns once they are closed."""
        loop = self._loop
        if loop is None or not any(service in services for services in self._tls_ports):
            raise LabFault(f"{service} over TLS is not offered", tried="hang up")
        for device in devices:
            address = self.roster.place_of(device)
            ended = asyncio.run_coroutine_threadsafe(self._tls.hang_up(service, {address} if address else ()), loop)
            self.events.publish(EventName.HANG_UP, device=device, service=service, connections=ended.result(_PATIENCE))

    def own_ports(self, phone: str, slots: Sequence[int]) -> Mapping[int, int]:
        """A TCP port for each of these slots at which phone and reference find their SCEP, in place of all that were theirs."""
        return self._at_doors(lambda doors: doors.make(phone, slots))

    def refuse(self, phone: str, *, refuses: bool) -> None:
        """Have the ports of its own that `phone` was told refuse connections, or take them again."""
        self._at_doors(lambda doors: doors.close(phone) if refuses else doors.open(phone))
        self.events.publish(EventName.PORT_REFUSES if refuses else EventName.PORT_LISTENS, device=phone)

    def _at_doors(self, does: Callable[[Doors], Coroutine[None, None, _Done]]) -> _Done:
        if self._loop is None or self._doors is None:
            raise LabFault("the SCEP server is not running", tried="give it a port of its own")
        return asyncio.run_coroutine_threadsafe(does(self._doors), self._loop).result(_PATIENCE)

    def log_keys(self, file: Path, devices: Collection[str]) -> AbstractContextManager[None]:
        """While this lasts, append to `file` the secrets of TLS connections that `devices` open, as tshark reads them."""
        return self._tls.key_logs.to(file, devices)

    def place(self, device: str, address: str, clock: Clock | None = None) -> None:
        """From now on `device` speaks from `address` only; from elsewhere what asks for its things is a stray.

        With a `clock` of its own it is told that time, and its CA lives by it.
        """
        self.roster.place(device, address)
        if clock is not None:
            self.events.keep_time(device, clock)

    def publish(self, device: str, root: str, files: Mapping[str, Content]) -> None:
        """Offer `files` to `device` under the URL directory `root` (`/`, `/reference/j179-2/`), in place of its former set.

        A file given by its path, such as an image, is streamed from there, and may be asked for in parts.
        """
        self._files.publish(device, root, files)

    def script(
        self,
        device: str,
        slot: int,
        *,
        answers: Sequence[Answer] = (Issue(),),
        signer: Signer | None = None,
        capabilities: Sequence[str] = DEFAULT_CAPABILITIES,
    ) -> None:
        """Put a CA behind `/scep/<device>/<slot>/pkiclient.exe` that follows `answers`, in place of the former one.

        Without `signer` it issues to whoever asks.
        """
        service = CaService(
            self._authority,
            signer or issue(self._authority),
            clock=self.events.clock_of(device),
            capabilities=capabilities,
            script=answers,
        )
        self.seat(device, slot, Endpoint(service))

    def seat(self, device: str, slot: int, endpoint: Endpoint) -> None:
        """Put a CA of one's own behind a slot, as `personas.Persona.endpoint` gives one, in place of the former one."""
        self._scep.seat(device, slot, CaDesk(endpoint, self._pool))

    def forward(
        self,
        device: str,
        slot: int,
        upstream: Upstream,
        *,
        answers: Sequence[Answer] = (Issue(),),
        speaker: Speaker | None = None,
    ) -> None:
        """Put a real CA behind a slot, in place of the former one; what passes is recorded under `proxy/` in `state`.

        `Misuse` where one of `answers` cannot be played before it, most of them for want of its `speaker`.
        """
        folder = self._state / "proxy" / f"{device}-{slot}"
        recording = self._recordings.setdefault((device, slot), Recording(folder))
        desk = ProxyDesk(
            upstream, recording, clock=self.events.clock_of(device), pool=self._pool, script=answers, speaker=speaker
        )
        self._scep.seat(device, slot, desk)

    def start(self) -> None:
        """Listen on every port; raises LabFault that names the port that cannot be had."""
        with ExitStack() as undo:
            sockets: dict[str, list[socket.socket]] = {}
            for service, port in self._wanted.items():
                if port is not None:
                    sockets[service] = [undo.enter_context(sock) for sock in _bind_all(service, self._hosts, port)]
            ready: Future[None] = Future()
            self._thread = threading.Thread(target=self._run, args=(sockets, ready), name="lab", daemon=True)
            self._thread.start()
            ready.result(_PATIENCE)
            self._ports = {service: int(bound[0].getsockname()[1]) for service, bound in sockets.items()}
            undo.pop_all()

    def stop(self) -> None:
        """Close every port and end the thread; raises LabFault if it does not end within its bound."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop and self._stopping and thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join(_PATIENCE)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.ledger.close()
        if thread.is_alive():
            raise LabFault("the servers do not stop", tried="close them", seen=f"still at work after {_PATIENCE:g} s")

    def _port(self, service: str) -> int:
        if service not in self._ports:
            raise LabFault(f"the {service} server is not running", tried="ask for its port")
        return self._ports[service]

    def _run(self, sockets: Sockets, ready: Future[None]) -> None:
        uvloop.run(self._supervise(sockets, ready))

    async def _supervise(self, sockets: Sockets, ready: Future[None]) -> None:
        """Let no fault end the thread unheard: one before `ready` goes to who starts the lab, a later one is an event."""
        task = asyncio.ensure_future(self._serve(sockets, ready))
        await asyncio.wait({task})
        fault = task.exception()
        if fault is not None and not ready.done():
            ready.set_exception(fault)
        elif fault is not None:
            self.events.publish(EventName.FAULT, text=describe(fault))

    async def _serve(self, sockets: Sockets, ready: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._note_fault)
        http = HttpServer(Routes(self._scep, self._files), self.events)
        await http.start(())
        await self._tls.start(
            {services: sockets[_over_tls(services)] for services in self._tls_ports},
            Credentials(self._authority, self._hosts, self._dns_names),
        )
        self._doors = Doors(self._hosts, lambda: Doorway(http.speaker, self._tls.taker(SCEP), self.events))
        quick = QuickFiles(self._files, self.events)
        doorway = Doorway(http.speaker, self._tls.taker(SCEP), self.events, quick=(quick.take, http.take))
        doorway.start(sockets["http"])
        datagrams = [(self._sntp, sock) for sock in sockets.get("sntp", ())]
        datagrams += [(self._syslog, sock) for sock in sockets.get("syslog", ())]
        udp = [(await self._loop.create_datagram_endpoint(server, sock=sock))[0] for server, sock in datagrams]
        ready.set_result(None)
        await self._stopping.wait()
        for transport in udp:
            transport.close()
        await doorway.stop()
        await self._doors.stop()
        await quick.stop()
        await self._tls.stop()
        await http.stop()

    def _sntp(self) -> asyncio.DatagramProtocol:
        return SntpServer(self.events, self.roster, self.time_told)

    def _syslog(self) -> asyncio.DatagramProtocol:
        return SyslogServer(self.events, self.roster)

    def _note_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        fault = context.get("exception")
        text = describe(fault) if isinstance(fault, BaseException) else str(context.get("message"))
        self.events.publish(EventName.FAULT, text=text)


def _bind_all(service: str, hosts: Sequence[str], port: int) -> Iterator[socket.socket]:
    """A bound socket for each of `hosts`; where `port` is 0, the free one that the first host takes is everybody's."""
    for host in hosts:
        sock = _bind(service, host, port)
        port = sock.getsockname()[1]
        yield sock


def _over_tls(services: Sequence[str]) -> str:
    return f"{' and '.join(services)} over TLS"


def _bind(service: str, host: str, port: int) -> socket.socket:
    """A bound socket for `service`: UDP for SNTP and syslog, TCP listening for the rest."""
    kind = socket.SOCK_DGRAM if service in ("sntp", "syslog") else socket.SOCK_STREAM
    sock = socket.socket(socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
        tried = f"listen on {host}:{port} ({protocol}) for {service}"
        raise LabFault("a server cannot start", port=str(port), tried=tried, seen=error.strerror) from error
    return sock
