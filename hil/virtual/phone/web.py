"""A small HTTP/1.1 client: one request a connection, bounded in time and size."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from hil.virtual.phone.errors import NoAnswer

# The wire runs in real time whatever the phone's rate, so these are real seconds.
WHOLE_ANSWER = 60.0
CONNECT = 10.0
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


def exchange(url: str, user_agent: str, body: bytes | None = None, media_type: str = "application/x-pki-message") -> Answer:
    """GET `url`, or POST `body` to it. Raises NoAnswer for whatever keeps an answer from being complete.

    Only `http` with an address, not a name: the phone has no trust store and no resolver.
    """
    try:
        host, port, head = _request(url, user_agent, None if body is None else len(body), media_type)
        deadline = time.monotonic() + WHOLE_ANSWER
        with socket.create_connection((host, port), timeout=CONNECT) as connection:
            connection.sendall(head + (body or b""))
            return _answer(_Reader(connection, deadline))
    except (OSError, ValueError) as problem:
        raise NoAnswer(f"{url.partition('?')[0]}: {problem}") from problem


def _request(url: str, user_agent: str, length: int | None, media_type: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("not an http address")
    family = socket.AF_INET6 if ":" in parts.hostname else socket.AF_INET
    socket.inet_pton(family, parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"{'GET' if length is None else 'POST'} {quote(target, safe=_TARGET)} HTTP/1.1",
        f"Host: {parts.netloc.rpartition('@')[2]}",
        f"User-Agent: {user_agent}",
        "Accept: */*",
        "Connection: close",
    ]
    if length is not None:
        lines += [f"Content-Type: {media_type}", f"Content-Length: {length}"]
    return parts.hostname, parts.port or 80, "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


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

    def rest(self) -> bytes:
        while len(self._buffer) <= MAX_BODY and self._more():
            pass
        return self._buffer


def _answer(reader: _Reader) -> Answer:
    for _ in range(4):
        first, *lines = reader.until(b"\r\n\r\n", MAX_HEAD).decode("latin-1").split("\r\n")
        version, status, *_ = [*first.split(" ", 2), "", ""]
        if not version.startswith("HTTP/1.") or not (status.isdecimal() and len(status) == 3):
            raise ValueError("not an HTTP answer")
        if status[0] != "1":
            break
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = _body(reader, int(status), headers)
    if len(body) > MAX_BODY:
        raise ValueError("the answer is too long")
    return Answer(int(status), headers.get("content-type", "").partition(";")[0].strip().lower(), body)


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
