"""One HTTP request and its answer as the sites of a lab see them, free of any server library."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import field
from email.utils import formatdate
from functools import cached_property, lru_cache
from http.client import responses
from typing import Protocol
from urllib.parse import unquote

from hil.evidence import EventName
from hil.frozen import frozen
from hil.scenario import Answer
from hil.services.events import EventStream, Scalar
from hil.services.stored import Part

SERVER = "j100-hil"
NOT_MODIFIED = 304

Peer = tuple[str, int]
"""A client's address and port."""

AGENT_SHOWN = 256
"""Letters of a User-Agent that are kept."""


@frozen
class Call:
    """An HTTP request: its path percent-decoded, its query as it came, its body whole, header fields by names in lower case."""

    address: str
    port: int
    method: str
    target: str
    user_agent: str | None = None
    body: bytes = b""
    content_type: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def path(self) -> str:
        """Path of the request target, percent-decoded, without the query, nor the server where the target is absolute."""
        path = self.target.partition("#")[0].partition("?")[0]
        if not path.startswith("/") and "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        return unquote(path, errors="replace")


@frozen
class Reply:
    """What is sent back: HTTP status, content type, body; `fields` are header fields beside those of every answer.

    With a `part`, that is the body, read from its file as it leaves.
    """

    status: int
    content_type: str
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    part: Part | None = None

    @classmethod
    def text(cls, status: int, text: str) -> Reply:
        """A reply for people to read."""
        return cls(status, "text/plain", f"{text}\n".encode())

    @property
    def size(self) -> int:
        """Octets of the body."""
        return self.part.length if self.part else len(self.body)


@frozen
class Served:
    """A reply and the event that is published once it has left: whom it is attributed to, and details.

    `script` is the script's answer where it has the reply fare otherwise than whole to its receiver.
    """

    reply: Reply
    event: EventName
    device: str | None = None
    slot: int | None = None
    details: Mapping[str, Scalar] = field(default_factory=dict)
    script: Answer | None = None

    def publish(self, events: EventStream, call: Call, *, status: int | None, size: int, sent: bool, **details: Scalar) -> None:
        """Make it an event, with what became of the answer."""
        events.publish(
            self.event,
            device=self.device,
            slot=self.slot,
            client=f"{call.address}:{call.port}",
            method=call.method,
            path=call.path,
            status=status,
            size=size,
            user_agent=call.user_agent,
            sent=sent,
            **details,
            **self.details,
        )


class Site(Protocol):
    """Answers requests, one at a time or many at once."""

    async def answer(self, call: Call) -> Served:
        """The answer to `call`; an exception is a fault of the bench."""


def answer_head(status: int, content_type: str, length: int, fields: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Status line and header fields, those that every answer of the bench has; the connection ends with the answer."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    if status != NOT_MODIFIED:  # which has no body, and must not tell another's length (RFC 9110 section 8.6)
        lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in fields]
    given = {name.lower() for name, _ in fields}
    own = (("Server", SERVER), ("Date", _date(int(time.time()))))
    lines += [f"{name}: {value}" for name, value in own if name.lower() not in given]
    return "\r\n".join((*lines, "Connection: close", "", "")).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
