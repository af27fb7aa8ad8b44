"""A CA behind its HTTP face, without a socket: what each method, operation and query gets (RFC 8894 section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import unquote, unquote_plus

from hil.asn1 import Malformed
from hil.frozen import frozen
from hil.scenario import Answer
from hil.scep.beside import Beside, beside
from hil.scep.ca import CaService
from hil.scep.messages import PkiStatus
from hil.scep.outcomes import LedgerEntry, ScepRefusal
from hil.scep.query import decode_url_message, parameters

PKI_MESSAGE = "application/x-pki-message"
LONGEST_TARGET = 256 * 1024
NO_FIELDS: Mapping[str, str] = MappingProxyType({})


@frozen
class HttpReply:
    """An answer: HTTP status, content type and body; `notes` say what the request needed allowance for.

    `fields` are header fields beside those of every answer. `fault` says what failed that is none of
    the client's doing. Of a PKIOperation, besides: the script's answer that it came by, which the
    server plays on the wire; the CertRep's status; what the ledger says of it.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    notes: tuple[str, ...] = ()
    script: Answer | None = None
    pki_status: PkiStatus | None = None
    entry: LedgerEntry | None = None
    fields: tuple[tuple[str, str], ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class HttpHabits:
    """What a server's HTTP refuses: methods of PKIOperation that it has not, operations it has not, a query without `message`."""

    methods: frozenset[str] = frozenset({"GET", "POST"})
    message_required: bool = False
    missing: frozenset[str] = frozenset()


class Endpoint:
    """Answers HTTP requests for one CA; safe among threads."""

    def __init__(self, service: CaService, habits: HttpHabits | None = None) -> None:
        self._service = service
        self._habits = habits or HttpHabits()

    def answer(self, method: str, target: str, body: bytes = b"", fields: Mapping[str, str] = NO_FIELDS) -> HttpReply:
        """The reply to a request for `target` (path and query as on the request line), with header `fields` in lower case."""
        if len(target) > LONGEST_TARGET:
            return HttpReply(414, "text/plain", b"URI too long\n")
        values = parameters(target)
        operation = unquote(values.get("operation", ""))
        try:
            if self._habits.message_required and "message" not in values and method == "GET":
                raise ScepRefusal(400, "no parameter message")
            if operation == "PKIOperation":
                data, notes = self._message(method, values.get("message", ""), body)
                return self._pki_operation(data, notes, beside(target, fields))
            return self._told(operation, unquote_plus(values.get("message", "")))
        except ScepRefusal as refusal:
            return _refused(refusal)
        except Malformed as error:
            return HttpReply(400, "text/plain", f"{error}\n".encode())

    def _message(self, method: str, message: str, body: bytes) -> tuple[bytes, tuple[str, ...]]:
        if method not in self._habits.methods:
            raise ScepRefusal(405, f"PKIOperation by {method} is not taken")
        return (body, ()) if method == "POST" else decode_url_message(message)

    def _pki_operation(self, message: bytes, notes: tuple[str, ...], asked: Beside) -> HttpReply:
        try:
            answer = self._service.answer(message, asked)
        except ScepRefusal as refusal:
            return _refused(refusal, notes)
        return HttpReply(200, PKI_MESSAGE, answer.cert_rep, notes, answer.script, answer.status, answer.entry)

    def _told(self, operation: str, identifier: str) -> HttpReply:
        if operation in self._habits.missing:
            raise ScepRefusal(404, f"no operation {operation}")
        match operation:
            case "GetCACaps":
                return HttpReply(200, "text/plain", self._service.get_ca_caps(identifier))
            case "GetCACert":
                return HttpReply(200, *self._service.get_ca_cert(identifier))
            case "GetCACertChain":
                return HttpReply(200, *self._service.get_ca_cert_chain(identifier))
            case "GetNextCACert":
                return HttpReply(200, *self._service.get_next_ca_cert(identifier))
            case _:
                raise ScepRefusal(400, "unknown operation")


def _refused(refusal: ScepRefusal, notes: tuple[str, ...] = ()) -> HttpReply:
    body = f"{refusal.text}\n".encode("utf-8", "replace")
    return HttpReply(refusal.http_status, "text/plain", body, notes, entry=refusal.entry)
