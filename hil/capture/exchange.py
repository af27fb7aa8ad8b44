"""One SCEP request and its answer, as HTTP carried them (RFC 8894 section 4).

Reading is tolerant: each tolerance used becomes a note, each defect a problem of the exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.asn1 import Malformed
from hil.capture.datagrams import mac_text
from hil.capture.files import instant
from hil.capture.http import Message
from hil.capture.streams import Round
from hil.scep.certificate import Certificate
from hil.scep.messages import PkiMessage, read_capabilities, read_certificates, read_message
from hil.scep.query import decode_url_message, parameters

OPERATIONS: Final = ("GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation")
CERTIFICATE_OPERATIONS: Final = ("GetCACert", "GetCACertChain", "GetNextCACert")
BY_LOWER_CASE = {name.lower(): name for name in OPERATIONS}
MAX_TEXT = 200
MAX_KNOWN = 1_000  # certificates, each looked at for every message


@dataclass(frozen=True)
class Exchange:
    """A SCEP request and its reply; times are the capture's, in UTC; frames as Wireshark numbers them.

    `ca_identifier` is the request's `message` outside PKIOperation: None where it has none. `capabilities` and
    `certificates` are None unless the answer to GetCACaps or GetCACert was read.
    """

    index: int
    operation: str
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
    content_type: str | None
    ca_identifier: str | None
    capabilities: tuple[str, ...] | None
    certificates: tuple[Certificate, ...] | None
    request: PkiMessage | None = field(repr=False)
    reply: PkiMessage | None = field(repr=False)
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def path_of(target: str) -> str:
    """The path of a request target, with neither query nor, where the target is absolute, the server."""
    path = target.partition("?")[0]
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def is_scep(target: str) -> bool:
    """Whether a request is SCEP's: it names an operation."""
    return "operation" in parameters(target)


@lru_cache(maxsize=4096)
def endpoint_text(packed: bytes) -> str:
    """`address:port`, an IPv6 address in brackets, of a packed address and port."""
    address, port = ip_address(packed[:-2]), int.from_bytes(packed[-2:], "big")
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"


class ExchangeReader:
    """Makes exchanges of rounds, with the keys and certificates that open and verify their messages."""

    def __init__(self, keys: Sequence[RSAPrivateKey] = (), certificates: Sequence[Certificate] = ()) -> None:
        self._keys = tuple(keys)
        self._known: dict[bytes, Certificate] = {certificate.der: certificate for certificate in certificates}

    def learn(self, seen: Round) -> None:
        """Takes the certificates of a GetCACert answer for signers that replies do not carry themselves."""
        operation = BY_LOWER_CASE.get(parameters(seen.request.target).get("operation", "").lower())
        if operation in CERTIFICATE_OPERATIONS and seen.reply is not None and seen.reply.status == 200:
            certificates = self._certificates(bytes(seen.reply.body), [])
            for certificate in certificates or ():
                if len(self._known) < MAX_KNOWN:
                    self._known.setdefault(certificate.der, certificate)

    def read(self, index: int, seen: Round) -> Exchange:
        """The exchange of a round; its defects are the exchange's problems."""
        request, reply = seen.request, seen.reply
        problems = [*seen.problems, *_defects("request", request)]
        notes: list[str] = []
        query = parameters(request.target)
        operation = _operation(query["operation"], problems)
        sent = self._request(request, query, problems, notes) if operation == "PKIOperation" else None
        answer: PkiMessage | None = None
        capabilities: tuple[str, ...] | None = None
        certificates: tuple[Certificate, ...] | None = None
        if reply is not None:
            problems += _defects("reply", reply)
            body = bytes(reply.body)
            if reply.status != 200:
                notes.append(f"HTTP {reply.status}: {_text(body)}")
            elif not reply.whole:
                pass
            elif operation == "PKIOperation":
                answer = self._message("reply", body, problems, notes)
            elif operation == "GetCACaps":
                capabilities = read_capabilities(body)
            elif operation in CERTIFICATE_OPERATIONS:
                certificates = self._certificates(body, problems)
        identifier = query.get("message") if operation != "PKIOperation" else None
        return Exchange(
            index=index,
            operation=operation,
            request_frame=request.frame,
            reply_frame=None if reply is None else reply.frame,
            request_time=instant(request.time),
            reply_time=None if reply is None else instant(reply.time),
            client=endpoint_text(seen.client),
            server=endpoint_text(seen.server),
            client_mac=None if seen.client_mac is None else mac_text(seen.client_mac),
            server_mac=None if seen.server_mac is None else mac_text(seen.server_mac),
            method=request.method,
            path=path_of(request.target),
            status=None if reply is None else reply.status,
            user_agent=request.headers.get("user-agent"),
            content_type=None if reply is None else reply.headers.get("content-type"),
            ca_identifier=None if identifier is None else unquote_to_bytes(identifier).decode("utf-8", "replace"),
            capabilities=capabilities,
            certificates=certificates,
            request=sent,
            reply=answer,
            problems=tuple(problems),
            notes=tuple(notes),
        )

    def _request(self, request: Message, query: dict[str, str], problems: list[str], notes: list[str]) -> PkiMessage | None:
        if request.method == "POST":
            return self._message("request", bytes(request.body), problems, notes) if request.whole else None
        try:
            message, tolerances = decode_url_message(query.get("message", ""))
        except Malformed as error:
            problems.append(f"request: {error}")
            return None
        notes += [f"request: {tolerance}" for tolerance in tolerances]
        return self._message("request", message, problems, notes)

    def _message(self, name: str, data: bytes, problems: list[str], notes: list[str]) -> PkiMessage | None:
        try:
            message = read_message(data, keys=self._keys, certificates=tuple(self._known.values()))
        except Malformed as error:
            problems.append(f"{name}: not a pkiMessage: {error}")
            return None
        problems += [f"{name}: {problem}" for problem in message.problems]
        notes += [f"{name}: {note}" for note in message.notes]
        return message

    def _certificates(self, body: bytes, problems: list[str]) -> tuple[Certificate, ...] | None:
        try:
            return read_certificates(body)
        except Malformed as error:
            problems.append(f"reply: no certificates: {error}")
            return None


def _operation(text: str, problems: list[str]) -> str:
    written = unquote_to_bytes(text).decode("utf-8", "replace")
    known = BY_LOWER_CASE.get(written.lower())
    if known is None:
        problems.append(f"operation {written[:MAX_TEXT]!r} is none that SCEP has")
    elif known != written:
        problems.append(f"operation is written {written!r}")
    return known or written[:MAX_TEXT]


def _defects(name: str, message: Message) -> list[str]:
    defects = [f"{name}: {problem}" for problem in message.problems]
    if message.size > len(message.body):
        defects.append(f"{name}: of {message.size} bytes only {len(message.body)} were kept")
    if message.headers.get("content-encoding", "identity").lower() != "identity":
        defects.append(f"{name}: Content-Encoding {message.headers['content-encoding'][:20]} is not undone")
    return defects


def _text(body: bytes) -> str:
    text = body[: 4 * MAX_TEXT].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:MAX_TEXT]
