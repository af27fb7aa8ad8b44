"""A small HTTP/1.1 client: one request a connection, bounded in time and size."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from hil.virtual.phone.errors import NoAnswer, PortClosed

# The wire runs in real time whatever the phone's rate, so these are real seconds.
WHOLE_ANSWER = 60.0
CONNECT = 10.0
NO_FIELDS: Mapping[str, str] = {}
Connect = Callable[[str, int], socket.socket]
_TARGET = "/?&=%:@!$'()*+,;~-._"  # what RFC 3986 lets stand in a path and query
MAX_HEAD = 64 * 1024
MAX_BODY = 4 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Status, media type without parameters in lower case, body."""

    status: int
    media_type: str
    body: bytes


def with_query(url: str, **query: str) -> str:
    """`url` with `query` added, values percent-escaped."""
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"{url}{'&' if '?' in url else '?'}{pairs}"


def ask(connection: socket.socket, method: str, target: str, host: str, user_agent: str, keeps: bool) -> Answer:
    """A request without a body on an open connection, and its answer. Raises OSError or ValueError where none is complete."""
    connection.sendall(_head(method, target, host, user_agent, keeps, ["Content-Length: 0"] if method == "POST" else []))
    return _answer(_Reader(connection, time.monotonic() + CONNECT))


def exchange(
    url: str,
    user_agent: str,
    body: bytes | None = None,
    *,
    media_type: str = "application/x-pki-message",
    fields: Mapping[str, str] = NO_FIELDS,
    secured: Connect | None = None,
) -> Answer:
    """GET `url`, or POST `body` to it. Raises NoAnswer for whatever keeps an answer from being complete.

    Only with an address, not a name: there is no resolver here. `https` goes over the connections that `secured`
    opens to a host and port, and nowhere without it. `fields` are header fields beside the usual ones.
    """
    try:
        connect, host, port, head = _request(url, user_agent, None if body is None else len(body), media_type, fields, secured)
        deadline = time.monotonic() + WHOLE_ANSWER
        with connect(host, port) as connection:
            connection.sendall(head + (body or b""))
            return _answer(_Reader(connection, deadline))
    except (OSError, ValueError) as problem:
        trouble = PortClosed if isinstance(problem, ConnectionRefusedError) else NoAnswer
        raise trouble(f"{url.partition('?')[0]}: {problem}") from problem


def download(url: str, user_agent: str, file: Path) -> int:
    """GET `url` into `file`, from where that ends; the HTTP status. NoAnswer where it is not complete, then `file` has the more.

    An answer that is neither 200 nor 206 is not kept.
    """
    held = file.stat().st_size if file.exists() else 0
    try:
        fields = {"Range": f"bytes={held}-"} if held else NO_FIELDS
        connect, host, port, head = _request(url, user_agent, None, "", fields, None)
        with connect(host, port) as connection:
            connection.sendall(head)
            reader = _Reader(connection, time.monotonic() + WHOLE_ANSWER)
            status, headers = _status_and_fields(reader)
            if status in (200, 206):
                with file.open("ab" if status == 206 else "wb") as kept:
                    for piece in reader.pieces(int(headers["content-length"])):
                        kept.write(piece)
            return status
    except (OSError, ValueError, KeyError) as problem:
        raise NoAnswer(f"{url}: {problem}") from problem


def _request(
    url: str, user_agent: str, length: int | None, media_type: str, fields: Mapping[str, str], secured: Connect | None
) -> tuple[Connect, str, int, bytes]:
    parts = urlsplit(url)
    connect = {"http": _in_the_clear, "https": secured}.get(parts.scheme)
    if connect is None or not parts.hostname:
        raise ValueError("not an address that can be asked")
    family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
    socket.inet_pton(family, parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = [f"{name}: {value}" for name, value in fields.items()]
    body += [] if length is None else [f"Content-Type: {media_type}", f"Content-Length: {length}"]
    head = _head("GET" if length is None else "POST", target, parts.netloc.rpartition("@")[2], user_agent, False, body)
    return connect, parts.hostname, parts.port or (80 if parts.scheme == "http" else 443), head


def _in_the_clear(host: str, port: int) -> socket.socket:
    return socket.create_connection((host, port), timeout=CONNECT)


def _head(method: str, target: str, host: str, user_agent: str, keeps: bool, body: list[str]) -> bytes:
    lines = [
        f"{method} {quote(target, safe=_TARGET)} HTTP/1.1",
        f"Host: {host}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        f"Connection: {'keep-alive' if keeps else 'close'}",
        *body,
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


class _Reader:
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._buffer = b""

    def _more(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._connection.settimeout(left)
        received = self._connection.recv(65536)
        self._buffer += received
        return bool(received)

    def until(self, end: bytes, limit: int) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > limit:
                raise ValueError("the answer's head is too long")
            if not self._more():
                raise ValueError("the answer ended in its head")
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not self._more():
                raise ValueError(f"the answer ended after {len(self._buffer)} of {length} bytes")
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def pieces(self, length: int) -> Iterator[bytes]:
        left = length
        while left > 0:
            if not self._buffer and not self._more():
                raise ValueError(f"the answer ended {left} bytes early")
            piece, self._buffer = self._buffer[:left], self._buffer[left:]
            left -= len(piece)
            yield piece

    def rest(self) -> bytes:
        while len(self._buffer) <= MAX_BODY and self._more():
            pass
        return self._buffer


def _answer(reader: _Reader) -> Answer:
    status, headers = _status_and_fields(reader)
    body = _body(reader, status, headers)
    if len(body) > MAX_BODY:
        raise ValueError("the answer is too long")
    return Answer(status, headers.get("content-type", "").partition(";")[0].strip().lower(), body)


def _status_and_fields(reader: _Reader) -> tuple[int, dict[str, str]]:
    for _ in range(4):
        first, *lines = reader.until(b"\r\n\r\n", MAX_HEAD).decode("latin-1").split("\r\n")
        version, status, *_ = [*first.split(" ", 2), "", ""]
        if not version.startswith("HTTP/1.") or not (status.isdecimal() and len(status) == 3):
            raise ValueError("not an HTTP answer")
        if status[0] != "1":
            break
    return int(status), {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _body(reader: _Reader, status: int, headers: dict[str, str]) -> bytes:
    if status in (204, 304):
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunks(reader)
    if "content-length" not in headers:
        return reader.rest()
    length = int(headers["content-length"])
    if not 0 <= length <= MAX_BODY:
        raise ValueError("the answer is too long")
    return reader.exactly(length)


def _chunks(reader: _Reader) -> bytes:
    body = b""
    while len(body) <= MAX_BODY:
        size = int(reader.until(b"\r\n", 256).partition(b";")[0], 16)
        if size == 0:
            return body
        if not 0 < size <= MAX_BODY:
            raise ValueError("the answer is too long")
        body += reader.exactly(size)
        reader.until(b"\r\n", 256)
    return body
