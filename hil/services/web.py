"""One HTTP request and its answer as the sites of a lab see them, free of any server library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote, urlsplit

from hil.evidence import EventName
from hil.scenario import Answer
from hil.services.events import Scalar


@dataclass(frozen=True)
class Call:
    """An HTTP request: its path percent-decoded, its query as it came, its body whole."""

    address: str
    port: int
    method: str
    target: str
    user_agent: str | None = None
    body: bytes = b""
    content_type: str | None = None

    @property
    def path(self) -> str:
        """Path of the request target, percent-decoded, without the query."""
        return unquote(urlsplit(self.target).path, errors="replace")


@dataclass(frozen=True)
class Reply:
    """What is sent back: HTTP status, content type, body; `fields` are header fields beside those of every answer."""

    status: int
    content_type: str
    body: bytes
    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def text(cls, status: int, text: str) -> Reply:
        """A reply for people to read."""
        return cls(status, "text/plain", f"{text}\n".encode())


@dataclass(frozen=True)
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


class Site(Protocol):
    """Answers requests, one at a time or many at once."""

    async def answer(self, call: Call) -> Served:
        """The answer to `call`; an exception is a fault of the bench."""
