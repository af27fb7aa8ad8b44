"""TCP segments put back into the two byte streams of each connection, and the messages on them paired.

Tolerates reordering, retransmission, overlap (the first arrival counts), duplicated frames and a
capture that begins in mid-connection. What is missing becomes a problem of the message it is missing from.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from hil.capture.frames import ACK, FIN, RST, SYN, Segment
from hil.capture.http import Message, Reader
from hil.capture.keylog import KeyLog
from hil.capture.unsealing import Opening, TlsReader

MAX_AHEAD = 64 * 2**20  # a segment further ahead than any window belongs to another connection
MAX_HELD_BYTES = 4 * 2**20
MAX_HELD = 4_096
MAX_HELD_UNKNOWN = 64  # segments held before it is known what flows here
MAX_HELD_IN_ALL = 64 * 2**20
HELD_OVERHEAD = 256  # bytes that one held segment costs beside its payload
MAX_CONNECTIONS = 10_000
MAX_FOREIGN = 500_000
MAX_OPEN_REQUESTS = 1_000
MAX_PENDING = 10
TLS_RECORD = b"\x16\x03"  # a handshake, TLS 1.x
HALF: Final = 2**31
NO_ANSWER = "the capture ends before the answer"


@dataclass
class Round:
    """A request and, where one was seen, its final reply; addresses are packed address and port."""

    request: Message
    client: bytes
    server: bytes
    client_mac: bytes | None
    reply: Message | None = None
    server_mac: bytes | None = None
    problems: list[str] = field(default_factory=list)
    sealed: bool = False
    """Whether TLS carried it, opened with a key log."""


class Budget:
    """Bytes of segments that wait for earlier ones, over all connections."""

    held = 0


Report = Callable[[Round], None]
Prepare = Callable[[Message], None]


class Refusal(NamedTuple):
    """A call for a connection that a reset answered: packed addresses and ports, frames, and nanoseconds since 1970."""

    client: bytes
    server: bytes
    client_mac: bytes | None
    frame: int
    time: int
    reply_frame: int
    reply_time: int


class Strays(NamedTuple):
    """Who is told of what belongs to no round: a `problem` may hide a round, a `note` cannot, a refusal never was one."""

    problem: Callable[[str], None]
    note: Callable[[str], None]
    refused: Callable[[Refusal], None] = lambda _: None


class Sink(Protocol):
    """What reads the bytes of one direction.

    `lost` says that nothing is in progress and the next bytes need not wait for those before them, `recognised`
    that what flows is what is read here.
    """

    @property
    def recognised(self) -> bool: ...

    @property
    def lost(self) -> bool: ...

    def feed(self, data: bytes, frame: int, time: int) -> None:
        """The next bytes in order, and the frame that brought them into order."""

    def skip(self, count: int, /) -> None:
        """That many bytes are missing here."""

    def end(self, frame: int, time: int) -> None:
        """The sender closed its direction in that frame."""

    def stop(self, reason: str) -> None:
        """Nothing more comes, for `reason`."""


S = TypeVar("S", bound=Sink)


class Direction(Generic[S]):
    """The bytes that one side sends, in order."""

    def __init__(self, reader: S, gap: Callable[[int, int], None], first: int, budget: Budget) -> None:
        self.reader = reader
        self.first = first
        self._gap = gap
        self._budget = budget
        self.mac: bytes | None = None
        self._position = 0  # bytes delivered or given up since `first`
        self._held: list[tuple[int, int, int, bytes]] = []
        self._held_bytes = 0
        self._end: int | None = None
        self._frame = 0
        self._time = 0

    def accept(self, segment: Segment, frame: int, time: int) -> None:
        """A segment of this direction in capture order."""
        payload = segment.payload
        ahead = (segment.sequence + (segment.flags & SYN > 0) - self.first - self._position + HALF) % (2 * HALF) - HALF
        if ahead > MAX_AHEAD:
            return
        place = self._position + ahead
        if segment.flags & FIN and place + len(payload) >= self._position:
            self._end = place + len(payload)
        if payload and ahead + len(payload) > 0:
            if ahead <= 0:
                self._deliver(payload[-ahead:] if ahead else payload, frame, time)
            elif self.reader.lost:
                self._position = place
                self._deliver(payload, frame, time)
            else:
                heappush(self._held, (place, frame, time, payload))
                self._held_bytes += len(payload)
                self._budget.held += len(payload) + HELD_OVERHEAD
        if self._held:
            self._drain()
            while self._held and self._is_too_much():
                self._give_up()
        if self._end is not None and self._position >= self._end:
            self._end = None
            self.reader.end(frame, time)

    def finish(self, reason: str) -> None:
        """No more segments come: what is held is delivered around its gaps, what is open ends for `reason`."""
        while self._held:
            self._give_up()
        if self._end is not None and self._position < self._end:
            self._skip(self._end - self._position, self._frame)
        self.reader.stop(reason)

    def _is_too_much(self) -> bool:
        most = MAX_HELD if self.reader.recognised else MAX_HELD_UNKNOWN
        return len(self._held) > most or self._held_bytes > MAX_HELD_BYTES or self._budget.held > MAX_HELD_IN_ALL

    def _deliver(self, payload: bytes, frame: int, time: int) -> None:
        self._position += len(payload)
        self._frame, self._time = max((self._frame, self._time), (frame, time))
        self.reader.feed(payload, self._frame, self._time)

    def _drain(self) -> None:
        while self._held and self._held[0][0] <= self._position:
            place, frame, time, payload = heappop(self._held)
            self._held_bytes -= len(payload)
            self._budget.held -= len(payload) + HELD_OVERHEAD
            fresh = payload[self._position - place :]
            if fresh:
                self._deliver(fresh, frame, time)

    def _give_up(self) -> None:
        self._skip(self._held[0][0] - self._position, self._held[0][1])
        self._drain()

    def _skip(self, missing: int, frame: int) -> None:
        self._position += missing
        self._gap(missing, frame)
        self.reader.skip(missing)


class Connection:
    """Both directions of one connection; requests and replies are paired in their order."""

    def __init__(self, report: Report, strays: Strays, prepare: Prepare, budget: Budget, key_log: KeyLog) -> None:
        self._report, self._strays, self._prepare = report, strays, prepare
        self._budget = budget
        self._opening = Opening(key_log, strays.problem) if key_log else None
        self._sides: dict[bytes, Direction[Reader | TlsReader]] = {}
        self._rounds: deque[Round] = deque()  # asked, not yet answered
        self._unasked: deque[Message] = deque()  # replies captured before their request
        self._answers: dict[int, Round] = {}  # reply in progress -> its round
        self._closed: str | None = None
        self._pending: list[str] = []  # strays, until it is known whether this is a remnant
        self._asked = False
        self._accepted = False  # the side that sends no data said other than RST
        self.started = False
        self._called: tuple[Segment, int, int] | None = None  # a SYN, its frame and time, until there is an answer

    @property
    def _is_remnant(self) -> bool:
        """Whether all that was seen is a server repeating an answer to a client that lost its power before this capture."""
        return not (self.started or self._asked or self._accepted) and len(self._sides) == 1

    @property
    def foreign(self) -> bool:
        """Whether this connection is known not to speak HTTP."""
        for side in self._sides.values():
            if side.reader.foreign:
                return not any(side.reader.recognised for side in self._sides.values())
        return False

    def is_another(self, segment: Segment) -> bool:
        """Whether a SYN opens a new connection between the same ports rather than repeating this one's."""
        side = self._sides.get(segment.source)
        if side is None:
            return segment.flags & (SYN | ACK) == SYN and self._is_remnant
        return bool(segment.flags & SYN) and side.first != (segment.sequence + 1) % (2 * HALF)

    def accept(self, segment: Segment, frame: int, time: int) -> None:
        side = self._sides.get(segment.source)
        if side is None:
            self._hear_refusal(segment, frame, time)
            if not segment.payload and not segment.flags & SYN:
                self._accepted = self._accepted or not segment.flags & RST
                return
            side = self._open(segment)
        if segment.mac is not None and side.mac is None:
            side.mac = segment.mac
        side.accept(segment, frame, time)
        if segment.flags & RST and self._closed is None:
            self._closed = f"the connection was reset (frame {frame})"
        elif segment.flags & FIN and self._closed is None:
            self._closed = f"the connection was closed (frame {frame})"

    def _hear_refusal(self, segment: Segment, frame: int, time: int) -> None:
        """Of the first segment of a side: whether it refuses what the other side called for."""
        if self._called is not None:
            call, called_frame, called_time = self._called
            if segment.flags & RST:
                self._strays.refused(Refusal(*call[:3], called_frame, called_time, frame, time))
            elif segment.acknowledged != (call.sequence + 1) % (2 * HALF):
                return  # said by what is left of an earlier connection (RFC 9293 section 3.10.7.4); the call is repeated
        self._called = (segment, frame, time) if segment.flags & (SYN | ACK) == SYN and not self._sides else None

    def _open(self, segment: Segment) -> Direction[Reader | TlsReader]:
        source, destination, syn = segment.source, segment.destination, segment.flags & SYN
        self.started = self.started or bool(syn)

        def begins(message: Message) -> None:
            self._prepare(message)
            if message.is_reply:
                self._reply_begins(message)
            else:
                self._request_begins(message, source, destination)

        in_clear = Reader(begins, self._ends, from_start=bool(syn))
        reader = TlsReader(in_clear, self._opening) if self._opening is not None and syn else in_clear
        side: Direction[Reader | TlsReader] = Direction(
            reader, self._gap, (segment.sequence + (syn > 0)) % (2 * HALF), self._budget
        )
        self._sides[source] = side
        return side

    def _gap(self, missing: int, frame: int) -> None:
        if any(side.reader.recognised for side in self._sides.values()):
            self._stray(f"frame {frame}: {missing} bytes beside it on its connection are missing from the capture")

    @property
    def _exact(self) -> bool:
        return self.started and all(side.reader.exact for side in self._sides.values())

    def _request_begins(self, message: Message, client: bytes, server: bytes) -> None:
        sealed = self._opening is not None and self._opening.opened
        opened = Round(message, client, server, self._sides[client].mac, sealed=sealed)
        self._asked = True
        while self._unasked and not self._exact and self._unasked[0].first_frame < message.first_frame:
            self._stray_reply(self._unasked.popleft())
        if self._unasked:
            opened.reply = self._unasked.popleft()
            self._finish(opened)
        elif len(self._rounds) < MAX_OPEN_REQUESTS:
            self._rounds.append(opened)

    def _reply_begins(self, message: Message) -> None:
        if message.status < 200 and message.status != 101:
            return
        while not self._exact and len(self._rounds) > 1 and self._rounds[1].request.first_frame < message.first_frame:
            passed = self._rounds.popleft()  # never pipelined by a phone: the later request proves that this one's turn is over
            passed.problems.append("its answer is missing from the capture")
            self._finish(passed)
        if self._rounds:
            answered = self._rounds.popleft()
            tunnel = answered.request.method == "CONNECT" and message.status < 300
            message.bodiless = tunnel or answered.request.method == "HEAD"
            message.keep = answered.request.keep
            self._answers[id(message)] = answered

    def _ends(self, message: Message) -> None:
        if not message.is_reply or (message.status < 200 and message.status != 101):
            return
        answered = self._answers.pop(id(message), None)
        if answered is None and self._exact and self._rounds:
            answered = self._rounds.popleft()
        if answered is not None:
            answered.reply = message
            self._finish(answered)
        elif self.started and len(self._unasked) < MAX_OPEN_REQUESTS:
            self._unasked.append(message)
        else:
            self._stray_reply(message)

    def _stray_reply(self, message: Message) -> None:
        self._stray(f"frame {message.frame}: a reply whose request is not in the capture")

    def _stray(self, text: str) -> None:
        if self.started or len(self._pending) >= MAX_PENDING:
            self._strays.problem(text)
        else:
            self._pending.append(text)

    def _finish(self, done: Round) -> None:
        side = self._sides.get(done.server)
        done.server_mac = None if side is None else side.mac
        self._report(done)

    def finish(self, reason: str = NO_ANSWER) -> None:
        """Ends what is open: the connection is over, or the capture is."""
        if any(side.reader.foreign for side in self._sides.values()):
            reason = "what came back is not HTTP"
        reason = self._closed or reason
        for side in self._sides.values():
            side.finish(reason)
        while self._rounds:
            unanswered = self._rounds.popleft()
            unanswered.problems.append("no answer: " + reason)
            self._finish(unanswered)
        for message in self._unasked:
            self._stray_reply(message)
        self._unasked.clear()
        for text in self._pending:
            if self._is_remnant:
                self._strays.note(f"{text}, left over from before it: the client's side has nothing but a reset")
            else:
                self._strays.problem(text)
        self._sides.clear()  # its readers refer back: without them the connection goes at once, not when garbage is collected


def wire_key(source: bytes, destination: bytes) -> bytes:
    """Both addresses, then both ports, as they stand in a packet without options."""
    return source[:-2] + destination[:-2] + source[-2:] + destination[-2:]


class Connections:
    """All connections of a capture; `report` gets each round as it ends, `strays` what belongs to none."""

    def __init__(self, report: Report, strays: Strays, prepare: Prepare, key_log: KeyLog) -> None:
        self._report, self._strays, self._prepare = report, strays, prepare
        self._key_log = key_log
        self._budget = Budget()
        self._open: OrderedDict[tuple[bytes, bytes], Connection] = OrderedDict()
        self.sealed: Counter[bytes] = Counter()  # TLS connections by the address and port that the handshake went to
        self.foreign: set[bytes] = set()  # addresses and ports, as they follow each other in a packet, of what is not HTTP

    def accept(self, segment: Segment, frame: int, time: int) -> None:
        """A segment in capture order, with its frame number and time in nanoseconds."""
        source, destination = segment.source, segment.destination
        key = (source, destination) if source < destination else (destination, source)
        connection = self._open.get(key)
        if connection is None and wire_key(source, destination) in self.foreign:
            if not segment.flags & SYN:
                return
            self.foreign -= {wire_key(source, destination), wire_key(destination, source)}
        if connection is not None and connection.is_another(segment):
            self._open.pop(key).finish("the ports were taken by another connection")
            connection = None
        if connection is None:
            if not segment.payload and not segment.flags & SYN:
                return
            connection = self._open[key] = Connection(self._report, self._strays, self._prepare, self._budget, self._key_log)
            if len(self._open) > MAX_CONNECTIONS:
                self._open.popitem(last=False)[1].finish("too many connections were open at once")
        connection.accept(segment, frame, time)
        if connection.foreign and len(self.foreign) < MAX_FOREIGN:
            if segment.payload.startswith(TLS_RECORD):
                self.sealed[destination] += 1
            self._open.pop(key).finish()
            self.foreign |= {wire_key(source, destination), wire_key(destination, source)}

    def finish(self) -> None:
        """The capture is at its end."""
        for connection in self._open.values():
            connection.finish()
        self._open.clear()
