"""A capture as what was said in it: SCEP exchanges, other fetches, time replies and leases.

A frame number and time belong to the frame that completed a request or reply, which is where Wireshark
shows it. Untrusted input never raises here: the worst it gets is a problem of the transcript. What is kept is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.capture.datagrams import BOOTP_SERVER, NTP_PORT, Served, dhcp_acknowledged, dhcp_served, mac_text, sntp_transmit_time
from hil.capture.exchange import Exchange, ExchangeReader, endpoint_text, is_scep, path_of, refused
from hil.capture.files import CaptureFile, Packet, instant, open_capture
from hil.capture.fragments import Fragments
from hil.capture.frames import ETHERNET, SYN, Datagram, Fragment, Unread, dissect
from hil.capture.http import Message
from hil.capture.keylog import NO_SECRETS, KeyLog
from hil.capture.streams import Connections, Refusal, Round, Strays
from hil.scep.certificate import Certificate

__all__ = ["Exchange", "Fetch", "Lease", "TimeReply", "Transcript", "read_capture", "read_packets"]

PLAIN = b"\x08\x00\x45"  # EtherType and an IPv4 header without options
UNFRAGMENTED, UDP_PROTOCOL = (b"\x00\x00", b"\x40\x00"), b"\x11"
MAX_BODY = 4 * 2**20
MAX_BODIES = 256 * 2**20
MAX_ENTRIES = 20_000
MAX_PROBLEMS, MAX_NOTES, MAX_SEALED = 1_000, 100, 100


@dataclass(frozen=True)
class Fetch:
    """An HTTP request that is not SCEP's, and its reply; `size` counts the bytes of the reply's body that were seen.

    `headers` are the names, in lower case, of those that the request has among `hil.capture.http.NAMED`.
    """

    request_frame: int
    reply_frame: int | None
    request_time: datetime
    reply_time: datetime | None
    client: str
    server: str
    client_mac: str | None
    server_mac: str | None
    method: str
    path: str
    status: int | None
    user_agent: str | None
    size: int
    problems: tuple[str, ...]
    headers: tuple[str, ...] = ()


@dataclass(frozen=True)
class TimeReply:
    """An SNTP server's reply: `time` as captured, `transmit` as the server says; `client` is the address it went to."""

    frame: int
    time: datetime
    client: str
    transmit: datetime


@dataclass(frozen=True)
class Lease:
    """A DHCPACK seen in the capture."""

    frame: int
    time: datetime
    mac: str
    ip: str


@dataclass(frozen=True)
class DhcpServer:
    """A DHCP server at `ip` that was first seen to offer or grant an address to the client of that MAC."""

    frame: int
    time: datetime
    mac: str
    ip: str


@dataclass(frozen=True)
class Transcript:
    """All that a capture was read to say; `first` and `last` are the times of its first and last packet, in UTC.

    `problems` say what of it is damaged, `notes` what was left unread although it is whole. `refusals` are connections
    that were called for and refused, as exchanges of the operation `REFUSED` in which nothing was said.
    """

    file: str
    exchanges: tuple[Exchange, ...]
    fetches: tuple[Fetch, ...]
    time_replies: tuple[TimeReply, ...]
    leases: tuple[Lease, ...]
    problems: tuple[str, ...]
    first: datetime | None
    last: datetime | None
    packets: int
    notes: tuple[str, ...] = ()
    refusals: tuple[Exchange, ...] = ()
    dhcp_servers: tuple[DhcpServer, ...] = ()

    def rivals_for(self, mac: str) -> tuple[str, ...]:
        """That more than one DHCP server answered the client of that MAC, where it was so."""
        seen = [f"{server.ip} (frame {server.frame})" for server in self.dhcp_servers if server.mac == mac]
        return (f"more than one DHCP server answered, {' and '.join(seen[:3])}",) if len(seen) > 1 else ()


def read_capture(
    path: Path | str,
    *,
    keys: Sequence[RSAPrivateKey] = (),
    certificates: Sequence[Certificate] = (),
    key_log: KeyLog = NO_SECRETS,
) -> Transcript:
    """The transcript of a pcap or pcapng file; Misuse if it cannot be opened.

    `keys` open the envelopes of requests and replies; `certificates`, besides those that GetCACert answers in
    the capture bring, verify messages that lack their signer's. `key_log` opens TLS, as secrets in the capture itself do;
    of what TLS carried only SCEP is told.
    """
    path = Path(path)
    return read_packets(open_capture(path), str(path), keys=keys, certificates=certificates, key_log=key_log)


def read_packets(
    capture: CaptureFile,
    name: str,
    *,
    keys: Sequence[RSAPrivateKey] = (),
    certificates: Sequence[Certificate] = (),
    key_log: KeyLog = NO_SECRETS,
) -> Transcript:
    """The transcript of an opened capture."""
    capture.secrets.update(key_log)
    gathering = _Gathering(capture.secrets)
    gathering.read(capture)
    return gathering.transcript(name, ExchangeReader(keys, certificates))


class _Gathering:
    """What one pass over the packets collects."""

    def __init__(self, key_log: KeyLog) -> None:
        self._connections = Connections(self._round, Strays(self._problem, self._note, self._refused), _prepare, key_log)
        self._scep: list[Round] = []
        self._open: list[Round] = []  # answered before their request was complete
        self._fetches: list[Fetch] = []
        self._refusals: list[Exchange] = []
        self._times: dict[tuple[bytes, ...], TimeReply] = {}
        self._leases: dict[tuple[object, ...], Lease] = {}
        self._dhcp_servers: dict[Served, DhcpServer] = {}
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._fragments = Fragments()
        self._unread: Counter[str] = Counter()
        self._unread_frames: dict[str, int] = {}
        self._bodies = 0
        self._cut = 0
        self._first: int | None = None
        self._last = 0
        self._packets = 0

    def read(self, capture: CaptureFile) -> None:
        connections, foreign = self._connections, self._connections.foreign
        number = time = 0
        for packet in capture.packets():
            number, time, link, data, length = packet
            if self._first is None:
                self._first = time
            if length > len(data):
                self._cut += 1
            if link == ETHERNET and _is_of_no_use(data, foreign):
                continue
            found = dissect(link, data)
            content = self._fragments.add(found, number) if isinstance(found, Fragment) else found
            if content is None:
                continue
            if isinstance(content, Datagram):
                self._datagram(content, packet)
            elif isinstance(content, Unread):
                self._unread[content.reason] += 1
                self._unread_frames.setdefault(content.reason, number)
            else:
                connections.accept(content, number, time)
        connections.finish()
        self._packets, self._last = number, time
        self._note_limits(capture)

    def _note_limits(self, capture: CaptureFile) -> None:
        if parts_missing := self._fragments.finish():
            self._problem(parts_missing)
        for reason, count in self._unread.items():
            self._problem(f"frame {self._unread_frames[reason]}: {reason} ({count} such frames)")
        if self._cut:
            self._problem(f"{self._cut} frames were cut short when they were captured")
        for interface in capture.interfaces:
            if interface.dropped:
                self._problem(f"the recorder dropped {interface.dropped} packets of interface {interface.name or '?'}")
        for problem in capture.problems:
            self._problem(problem)

    def _sealed(self) -> Iterator[str]:
        for server, count in self._connections.sealed.most_common(MAX_SEALED):
            yield f"TLS to {endpoint_text(server)} is not opened ({count} connections)"

    def _problem(self, problem: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(problem)
        elif len(self._problems) == MAX_PROBLEMS:
            self._problems.append("more problems than are listed")

    def _note(self, note: str) -> None:
        if len(self._notes) < MAX_NOTES:
            self._notes.append(note)

    def _refused(self, refusal: Refusal) -> None:
        if len(self._refusals) < MAX_ENTRIES:
            self._refusals.append(refused(len(self._refusals) + 1, refusal))

    def _datagram(self, datagram: Datagram, packet: Packet) -> None:
        port = datagram.source[-2:]
        if port == NTP_PORT and len(self._times) < MAX_ENTRIES:
            transmit = sntp_transmit_time(datagram.payload)
            if transmit is not None:
                client = str(ip_address(datagram.destination[:-2]))
                key = (datagram.source, datagram.destination, datagram.payload)  # a frame captured twice is one reply
                self._times.setdefault(key, TimeReply(packet.number, instant(packet.time), client, transmit))
        elif port == BOOTP_SERVER and len(self._leases) < MAX_ENTRIES:
            granted = dhcp_acknowledged(datagram.payload)
            if granted is not None:
                self._leases.setdefault(granted, Lease(packet.number, instant(packet.time), granted.mac, granted.ip))
            served = dhcp_served(datagram.payload)
            if served is not None and len(self._dhcp_servers) < MAX_ENTRIES:
                self._dhcp_servers.setdefault(served, DhcpServer(packet.number, instant(packet.time), *served))

    def _round(self, done: Round) -> None:
        if is_scep(done.request.target):
            self._bodies += len(done.request.body) + (len(done.reply.body) if done.reply else 0)
            if self._bodies > MAX_BODIES or len(self._scep) >= MAX_ENTRIES:
                self._problem(f"frame {done.request.frame}: more SCEP messages than are kept")
                return
            self._scep.append(done)
        elif done.sealed:
            return  # what else a service over TLS is asked, its endpoint tells
        elif not done.request.frame and len(self._open) < MAX_ENTRIES:
            self._open.append(done)
        else:
            self._fetch(done)

    def _fetch(self, done: Round) -> None:
        request, reply = done.request, done.reply
        if len(self._fetches) >= MAX_ENTRIES:
            self._problem(f"frame {request.frame}: more HTTP requests than are kept")
            return
        self._fetches.append(
            Fetch(
                request_frame=request.frame,
                reply_frame=None if reply is None else reply.frame,
                request_time=instant(request.time),
                reply_time=None if reply is None else instant(reply.time),
                client=endpoint_text(done.client),
                server=endpoint_text(done.server),
                client_mac=None if done.client_mac is None else mac_text(done.client_mac),
                server_mac=None if done.server_mac is None else mac_text(done.server_mac),
                method=request.method,
                path=path_of(request.target),
                status=None if reply is None else reply.status,
                user_agent=request.headers.get("user-agent"),
                size=0 if reply is None else reply.size,
                problems=(*done.problems, *request.problems, *(() if reply is None else reply.problems)),
                headers=tuple(sorted(request.named)),
            )
        )

    def transcript(self, name: str, reader: ExchangeReader) -> Transcript:
        for left in self._open:
            self._fetch(left)
        rounds = sorted(self._scep, key=lambda seen: (seen.request.frame, seen.request.first_frame))
        for seen in rounds:
            reader.learn(seen)
        return Transcript(
            file=name,
            exchanges=tuple(reader.read(index, seen) for index, seen in enumerate(rounds, 1)),
            refusals=tuple(self._refusals),
            fetches=tuple(sorted(self._fetches, key=lambda fetch: fetch.request_frame)),
            time_replies=tuple(self._times.values()),
            leases=tuple(self._leases.values()),
            problems=tuple(self._problems),
            first=None if self._first is None else instant(self._first),
            last=None if self._first is None else instant(self._last),
            packets=self._packets,
            notes=(*self._notes, *self._sealed()),
            dhcp_servers=tuple(self._dhcp_servers.values()),
        )


def _is_of_no_use(frame: bytes, foreign: Collection[bytes]) -> bool:
    """Whether a frame tells by its protocol and ports alone that nothing is to be had of it, as most of a long capture does."""
    if frame[12:15] != PLAIN or frame[20:22] not in UNFRAGMENTED:
        return False
    if frame[26:38] in foreign:
        return len(frame) > 47 and not frame[47] & SYN
    return frame[23:24] == UDP_PROTOCOL and frame[34:36] not in (NTP_PORT, BOOTP_SERVER)


def _prepare(message: Message) -> None:
    """Only SCEP's bodies are kept; a reply whose request is not known yet may be SCEP's."""
    message.keep = MAX_BODY if message.is_reply or is_scep(message.target) else 0
