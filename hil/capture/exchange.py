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

from hil import asn1
from hil.asn1 import Malformed
from hil.capture.bodies import decoded
from hil.capture.datagrams import mac_text
from hil.capture.files import instant
from hil.capture.http import Message
from hil.capture.streams import Refusal, Round
from hil.scep.attributes import Remarks
from hil.scep.beside import Beside, beside
from hil.scep.certificate import Certificate
from hil.scep.messages import (
    PkiMessage,
    capability_notes,
    read_capabilities,
    read_certificates,
    read_message,
    read_next_ca,
)
from hil.scep.query import decode_url_message, oddities, parameters
from hil.scep.wrapping import unwrapped

OPERATIONS: Final = ("GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation")
CERTIFICATE_OPERATIONS: Final = ("GetCACert", "GetCACertChain", "GetNextCACert")
BY_LOWER_CASE = {name.lower(): name for name in OPERATIONS}
PKI_MESSAGE: Final = "application/x-pki-message"
REFUSED = "connection refused"
MAX_TEXT = 200
REFUSED = "connection refused"
MAX_KNOWN = 100  # certificates, each looked at for every message


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
    sealed: bool = False
    """Whether TLS carried it, opened with a key log."""
    beside: Beside = field(default_factory=dict, repr=False)
    """What the request carries beside its message."""


def refused(index: int, refusal: Refusal) -> Exchange:
    """A connection that was refused, as an exchange in which nothing was said."""
    return Exchange(
        index=index,
        operation=REFUSED,
        request_frame=refusal.frame,
        reply_frame=refusal.reply_frame,
        request_time=instant(refusal.time),
        reply_time=instant(refusal.reply_time),
        client=endpoint_text(refusal.client),
        server=endpoint_text(refusal.server),
        client_mac=None if refusal.client_mac is None else mac_text(refusal.client_mac),
        server_mac=None,
        method="",
        path="",
        status=None,
        user_agent=None,
        content_type=None,
        ca_identifier=None,
        capabilities=None,
        certificates=None,
        request=None,
        reply=None,
        problems=("the connection was refused",),
        notes=(),
    )


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
            certificates = self._certificates(operation, decoded(seen.reply)[0], Remarks())
            for certificate in certificates or ():
                if len(self._known) < MAX_KNOWN:
                    self._known.setdefault(certificate.der, certificate)

    def read(self, index: int, seen: Round) -> Exchange:
        """The exchange of a round; its defects are the exchange's problems."""
        request, reply = seen.request, seen.reply
        remarks = Remarks()
        remarks.problems += [*seen.problems, *_defects("request", request)]
        query = parameters(request.target)
        remarks.notes += [f"request: {oddity}" for oddity in oddities(request.target)]
        operation = _operation(query["operation"], remarks.problems)
        sent = self._request(request, query, remarks) if operation == "PKIOperation" else None
        answer = _Answer() if reply is None else self._answer(operation, reply, sent, remarks)
        if sent is not None and answer.message is not None:
            remarks.problems += _mismatches(sent, answer.message)
        identifier = query.get("message") if operation != "PKIOperation" else None
        return Exchange(
            index=index,
            sealed=seen.sealed,
            beside=beside(request.target, request.others | request.headers),
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
            capabilities=answer.capabilities,
            certificates=answer.certificates,
            request=sent,
            reply=answer.message,
            problems=tuple(remarks.problems),
            notes=tuple(dict.fromkeys(remarks.notes)),
        )

    def _request(self, request: Message, query: dict[str, str], remarks: Remarks) -> PkiMessage | None:
        if request.method == "POST":
            return self._message("request", _body("request", request, remarks), remarks) if request.whole else None
        try:
            message, tolerances = decode_url_message(query.get("message", ""))
        except Malformed as error:
            remarks.problems.append(f"request: {error}")
            return None
        remarks.notes += [f"request: {tolerance}" for tolerance in tolerances]
        return self._message("request", message, remarks)

    def _answer(self, operation: str, reply: Message, sent: PkiMessage | None, remarks: Remarks) -> _Answer:
        remarks.problems += _defects("reply", reply)
        body = _body("reply", reply, remarks)
        media = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        speaks = operation == "PKIOperation" and media == PKI_MESSAGE
        if reply.status != 200:
            told = "" if speaks else _text(body)
            remarks.notes.append(f"HTTP {reply.status}" + (f": {told}" if told else ""))
        whole = reply.whole or (reply.contiguous and operation != "GetCACaps" and _is_structure(body))
        if not whole or (reply.status != 200 and not speaks):
            return _Answer()
        if operation == "PKIOperation":
            if media != PKI_MESSAGE:
                remarks.notes.append(f"reply: Content-Type is not {PKI_MESSAGE}")
            return _Answer(message=self._message("reply", body, remarks, sent.certificates if sent else ()))
        if operation == "GetCACaps":
            capabilities = read_capabilities(body)
            remarks.notes += [f"reply: {note}" for note in capability_notes(capabilities)]
            return _Answer(capabilities=capabilities)
        found = Remarks()
        certificates = self._certificates(operation, body, found) if operation in CERTIFICATE_OPERATIONS else None
        remarks.problems += [f"reply: {problem}" for problem in found.problems]
        remarks.notes += [f"reply: {note}" for note in found.notes]
        return _Answer(certificates=certificates)

    def _message(self, name: str, data: bytes, remarks: Remarks, also: Sequence[Certificate] = ()) -> PkiMessage | None:
        try:
            octets, wrapping = unwrapped(data)
            message = read_message(octets, keys=self._keys, certificates=(*self._known.values(), *also))
        except Malformed as error:
            remarks.problems.append(f"{name}: not a pkiMessage: {error if data else 'it is empty'}")
            return None
        remarks.notes += [f"{name}: the message is {wrapping}"] if wrapping else []
        remarks.problems += [f"{name}: {problem}" for problem in message.problems]
        remarks.notes += [f"{name}: {note}" for note in message.notes]
        return message

    def _certificates(self, operation: str, body: bytes, remarks: Remarks) -> tuple[Certificate, ...] | None:
        try:
            octets, wrapping = unwrapped(body)
            remarks.notes += [f"the answer is {wrapping}"] if wrapping else []
            if operation != "GetNextCACert":
                return read_certificates(octets, remarks)
            next_ca = read_next_ca(octets, tuple(self._known.values()))
        except Malformed as error:
            remarks.problems.append(f"no certificates: {error}")
            return None
        remarks.problems += next_ca.problems
        remarks.notes += next_ca.notes
        return next_ca.certificates


@dataclass(frozen=True)
class _Answer:
    """What a reply was read to hold."""

    message: PkiMessage | None = None
    capabilities: tuple[str, ...] | None = None
    certificates: tuple[Certificate, ...] | None = None


def _mismatches(request: PkiMessage, reply: PkiMessage) -> list[str]:
    """What must be equal in both (RFC 8894 sections 3.2.1.1 and 3.2.1.5) and is not."""
    found = []
    if reply.transaction_id != request.transaction_id:
        found.append("reply: transactionID is not the request's")
    if reply.recipient_nonce is not None and reply.recipient_nonce != request.sender_nonce:
        found.append("reply: recipientNonce is not the request's senderNonce")
    return found


def _is_structure(body: bytes) -> bool:
    """Whether a body tells its own end and that has been seen, though not the connection's."""
    try:
        return asn1.read(body).tag == asn1.SEQUENCE
    except Malformed:
        return False


def _body(name: str, message: Message, remarks: Remarks) -> bytes:
    body, note, problem = decoded(message)
    remarks.notes += [f"{name}: {note}"] if note else []
    remarks.problems += [f"{name}: {problem}"] if problem else []
    return body


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
    return defects


def _text(body: bytes) -> str:
    text = body[: 4 * MAX_TEXT].decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()[:MAX_TEXT]
