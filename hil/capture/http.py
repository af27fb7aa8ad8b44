"""One direction of a connection as HTTP/1.x messages, fed piece by piece.

A message's frame and time are those of the segment that completed it, which is where Wireshark shows it:
the last byte of a counted or chunked body, the FIN of a body that ends with the connection.
Source of the rules on where a body ends: RFC 9112 section 6.3.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_HEAD = 256 * 1024  # a request by GET carries a pkiMessage in its URL
MAX_LINE = 8 * 1024
START = re.compile(rb"(?:HTTP/1\.|(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT) )")
STARTS = (b"HTTP/1.", b"GET ", b"POST ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"TRACE ", b"CONNECT ")
REQUEST_LINE = re.compile(rb"([A-Z]+) +(\S.*) HTTP/1\.\d *\r?")  # a blank in the target is a fault, and is read
STATUS_LINE = re.compile(rb"HTTP/1\.\d +(\d{3})(?: (.*?))?\r?")
BLANK = re.compile(rb"[\r\n]+")
HEAD_END = re.compile(rb"\r?\n\r?\n")
HEADERS = frozenset(("content-encoding", "content-length", "content-type", "transfer-encoding", "user-agent"))
MOST_OTHERS = 50
NAMED = frozenset(
    (
        "accept",
        "accept-encoding",
        "accept-language",
        "authorization",
        "cache-control",
        "connection",
        "cookie",
        "host",
        "if-modified-since",
        "if-none-match",
        "pragma",
        "range",
        "te",
        "upgrade",
    )
)
"""Headers of which it is kept that they were there, and nothing else."""
DIGITS = re.compile(r"\d{1,15}")
CHUNK_SIZE = re.compile(rb"\s*([0-9A-Fa-f]{1,12})\s*(?:;.*)?\r?")


@dataclass
class Message:
    """A request or a reply as far as it was seen; `size` counts the body's bytes, `body` keeps at most `keep` of them.

    `headers` are those of `HEADERS`, by name in lower case; `named` the names of those of `NAMED` that it has,
    `others` the first fields that are not of `HEADERS`.
    `contiguous` says of one that is not whole that nothing but its end is missing.
    """

    first_frame: int
    method: str = ""
    target: str = ""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    others: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    size: int = 0
    keep: int = 0
    bodiless: bool = False
    frame: int = 0
    time: int = 0
    whole: bool = False
    contiguous: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def is_reply(self) -> bool:
        return bool(self.status)


class Reader:
    """Turns the bytes of one direction into messages.

    `begins` is told of each message once its head is read, and sets `keep` and, for a reply to HEAD, `bodiless`.
    `ends` is told of each message that is complete or will not become so (`whole` tells which).
    `recognised` is true once what flows is known to be HTTP, `foreign` once it is known not to be; nothing is read from then on.
    """

    def __init__(self, begins: Callable[[Message], None], ends: Callable[[Message], None], *, from_start: bool) -> None:
        self._begins, self._ends = begins, ends
        self._synchronised = from_start
        self._buffer = bytearray()
        self._searched = 0
        self._left = 0
        self._message: Message | None = None
        self._state: Callable[[Reader], bool] = Reader._start  # not bound, or no reader would go before garbage is collected
        self._frame, self._time, self._first_frame = 0, 0, 0
        self.foreign = False
        self.recognised = False
        self.exact = True  # false once missing bytes may have hidden whole messages

    @property
    def lost(self) -> bool:
        """Whether nothing is in progress and the next bytes are of use only if a message starts with them."""
        return not self._synchronised

    def feed(self, data: bytes, frame: int, time: int) -> None:
        """The next bytes in order, and the frame that brought them into order."""
        if self.foreign:
            return
        if not self._synchronised:
            if not START.match(data):
                return
            self._synchronised = True
        if not self._buffer:
            self._first_frame = frame
        self._frame, self._time = frame, time
        self._buffer += data
        while self._buffer and self._state(self):
            pass

    def skip(self, count: int) -> None:
        """That many bytes are missing here; a counted body goes on after them, anything else is cut off."""
        message = self._message
        if message is not None and self._state is Reader._counted and count <= self._left:
            message.problems.append(f"{count} bytes of the body are missing from the capture")
            message.keep = len(message.body)  # what follows has no place without it
            self._left -= count
            message.size += count
            if not self._left:
                self._close(whole=False)
            return
        self.exact = False
        self._lose(f"{count} bytes are missing from the capture here")

    def end(self, frame: int, time: int) -> None:
        """The sender closed its direction (FIN) in that frame."""
        if self._message is not None and self._state is Reader._until_close:
            self._frame, self._time = frame, time
            self._close(whole=True)
        else:
            self.stop(f"the connection was closed (frame {frame}) before the message was complete")

    def stop(self, reason: str) -> None:
        """Nothing more will come; a message in progress ends unfinished for `reason`."""
        if self._message is not None:
            self._message.contiguous = not self._message.problems
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        if self._message is None and self._buffer and not self.foreign and START.match(self._buffer):
            self._message = Message(self._first_frame)
            self._read_start_line(bytes(self._buffer.split(b"\n", 1)[0]))
            self._begins(self._message)
        if self._message is not None:
            self._message.problems.append(reason)
            self._close(whole=False)
        self._buffer.clear()
        self._searched = 0
        self._synchronised = False
        self._state = Reader._start

    def _close(self, *, whole: bool) -> None:
        message = self._message
        assert message is not None
        message.frame, message.time = self._frame, self._time
        message.whole = whole and not message.problems
        self._message, self._state, self._first_frame = None, Reader._start, self._frame
        self._ends(message)

    def _start(self) -> bool:
        buffer = self._buffer
        if blank := BLANK.match(buffer):
            del buffer[: blank.end()]
            if not buffer:
                return False
        if not START.match(buffer):
            if not any(start.startswith(buffer) for start in STARTS):
                self._not_http()
            return False
        found = HEAD_END.search(buffer, max(0, self._searched - 3))
        if found is None:
            self._searched = len(buffer)
            if len(buffer) > MAX_HEAD:
                self._lose(f"a head of more than {MAX_HEAD} bytes")
            return False
        self._searched = 0
        head = bytes(buffer[: found.start()])
        del buffer[: found.end()]
        self._message = Message(self._first_frame)
        return self._read_head(head)

    def _not_http(self) -> None:
        if not self.recognised:
            self.foreign = True
        self._buffer.clear()
        self._lose("")

    def _read_start_line(self, line: bytes) -> bool:
        message = self._message
        assert message is not None
        if reply := STATUS_LINE.fullmatch(line):
            message.status = int(reply[1])
        elif request := REQUEST_LINE.fullmatch(line):
            message.method, message.target = request[1].decode("ascii"), request[2].rstrip(b" ").decode("latin-1")
        else:
            return False
        return True

    def _read_head(self, head: bytes) -> bool:
        message = self._message
        assert message is not None
        first, *lines = head.split(b"\n")
        if not self._read_start_line(first):
            self._message = None
            self._not_http()
            return False
        self.recognised = True
        for line in lines:
            name, _, value = line.decode("latin-1").partition(":")
            name, value = name.strip().lower(), value.strip()
            if name == "content-length" and message.headers.get(name, value) != value:
                message.problems.append("two Content-Length headers that differ")
            if name in HEADERS:
                message.headers.setdefault(name, value)
            elif len(message.others) < MOST_OTHERS:
                message.others.setdefault(name, value)
            if name in NAMED:
                message.named.add(name)
        self._begins(message)
        return self._choose_body(message)

    def _choose_body(self, message: Message) -> bool:
        length = message.headers.get("content-length")
        if message.bodiless or (message.is_reply and (message.status < 200 or message.status in (204, 304))):
            self._close(whole=True)
        elif "chunked" in message.headers.get("transfer-encoding", "").lower():
            self._state = Reader._chunk_size
        elif length is not None and DIGITS.fullmatch(length):
            self._left = int(length)
            self._state = Reader._counted
            if not self._left:
                self._close(whole=True)
        elif length is not None:
            message.problems.append(f"Content-Length {length[:20]!r} is no number")
            self._state = Reader._until_close
        elif message.is_reply:
            self._state = Reader._until_close
        else:
            self._close(whole=True)
        return True

    def _take(self, count: int) -> None:
        message = self._message
        assert message is not None
        message.size += count
        room = message.keep - len(message.body)
        if room > 0:
            message.body += self._buffer[: min(count, room)]
        del self._buffer[:count]

    def _counted(self) -> bool:
        count = min(self._left, len(self._buffer))
        self._take(count)
        self._left -= count
        if not self._left:
            self._close(whole=True)
        return True

    def _until_close(self) -> bool:
        self._take(len(self._buffer))
        return False

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._searched > MAX_LINE:
                self._lose(f"a line of more than {MAX_LINE} bytes in a chunked body")
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size = CHUNK_SIZE.fullmatch(line)
        if size is None:
            self._lose("a chunk without a size")
            return False
        self._left = int(size[1], 16)
        self._state = Reader._chunk if self._left else Reader._trailer
        return True

    def _chunk(self) -> bool:
        count = min(self._left, len(self._buffer))
        self._take(count)
        self._left -= count
        if not self._left:
            self._state = Reader._chunk_end
        return True

    def _chunk_end(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if line.strip():
            self._lose("a chunk longer than its size")
            return False
        self._state = Reader._chunk_size
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line.strip():
            self._close(whole=True)
        return True
