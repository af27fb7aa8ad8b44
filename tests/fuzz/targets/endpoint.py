"""The CA behind its HTTP face, as each persona plays it: a few requests in a row to one of them."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from hil.clock import ManualClock
from hil.scenario import Answer, Forge, Issue, Pend, Reject
from hil.scep.csr import read_csr
from hil.scep.endpoint import Endpoint, HttpReply
from hil.scep.messages import MessageType, PkiMessage, PkiStatus, read_capabilities, read_certificates, read_message
from hil.scep.personas import PERSONAS, Admission
from hil.scep.signers import EndEntities
from targets import lab, pki
from targets.draw import Draw

_MOST_REQUESTS = 4
_STATUSES = {200, 400, 404, 405, 414}
_OPERATIONS = ("GetCACaps", "GetCACert", "GetCACertChain", "GetNextCACert", "PKIOperation", "pkioperation", "%50KIOperation", "")
_METHODS = ("GET", "POST", "HEAD", "\udcff")
_SCRIPTS: tuple[tuple[Answer, ...], ...] = (
    (Issue(),),
    (Pend(2), Issue(chain="leaf last")),
    (Reject("badAlg"), Issue(days=0.0, chain="leaf first")),
    (Forge("recipientNonce"), Forge("transactionID"), Pend()),
)


@dataclass(frozen=True)
class _Stage:
    endpoint: Endpoint
    ra: bool
    script: tuple[Answer, ...]

    @property
    def pends(self) -> bool:
        return any(isinstance(answer, Pend) for answer in self.script)

    def request(self, draw: Draw) -> pki.Request:
        return pki.request(draw, lab.authority(ra=self.ra))

    def answer(self, method: str, target: str, body: bytes = b"") -> HttpReply:
        reply = self.endpoint.answer(method, target, body)
        assert reply.status in _STATUSES
        if reply.status != 200:
            reply.body.decode()
        return reply


def run(data: bytes) -> None:
    """One input: persona and script, then the requests."""
    draw = Draw(data)
    persona = PERSONAS[draw.choice(tuple(PERSONAS))]
    script = draw.choice(_SCRIPTS)
    authority = lab.authority(ra=persona.ra)
    clock = ManualClock(lab.NOW)
    admission = Admission(lab.PASSWORD, EndEntities(passwords={"19WZ1234567A": lab.PASSWORD}))
    service = persona.service(authority, admission, clock=clock, script=script, successor=lab.authority())
    endpoint = persona.endpoint(service)
    for _ in range(_MOST_REQUESTS):
        if draw.spent:
            return
        draw.choice((_told, _sealed_by_post, _sealed_by_get, _any_target))(_Stage(endpoint, persona.ra, script), draw)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and octets of inputs to begin with."""
    for number, name in enumerate(PERSONAS):
        way = 2 if name == "draft" else 1
        for kind in range(5):
            request = bytes((way, kind, 0, 1, *((0, 3, 0) if kind < 2 else ()), 4, 3, 0))
            yield f"{name}-{kind}", bytes((number, kind % 4)) + request * 2
        yield f"{name}-told", bytes((number, 0)) + b"".join(bytes((0, operation, 0)) for operation in range(4))
        for wrong, drawn in enumerate(((0, 3, 1), (0, 3, 2), (1, 3, 0))):
            yield f"{name}-wrong-{wrong}", bytes((number, 0, way, 0, 0, 1, *drawn, 4, 3))
        yield f"{name}-turned-name", bytes((number, 0, way, 0, 1, 1, 0, 3, 0, 1, 6, 23, 3, 0, 4, 3))
        yield f"{name}-turned-signature", bytes((number, 0, way, 0, 5, 1, 0, 3, 0, 4, 3, 1, 6, 5, 9, 0))
    yield "post", bytes((0, 0, 3, 1)) + b"/?operation=PKIOperation\0" + b"\x30\x03\x02\x01\x05"
    yield "not-utf-8", bytes((0, 0, 3, 0)) + b"/?operation=PKIOperation&message=\xff\0"
    yield "get", bytes((0, 0, 3, 0)) + b"/?operation=PKIOperation&message=MAMCAQU%3d\0"


def _told(stage: _Stage, draw: Draw) -> None:
    operation = draw.choice(_OPERATIONS)
    identifier = draw.string(20).decode("utf-8", "surrogateescape")
    target = f"/pkiclient.exe?operation={operation}&message={identifier or 'CAIdentifier'}"
    reply = stage.answer(draw.choice(_METHODS), target)
    if reply.status == 200 and operation == "GetCACaps":
        assert "%" not in "".join(read_capabilities(reply.body))
    elif reply.status == 200 and operation.startswith("GetCACert"):
        assert read_certificates(reply.body)


def _any_target(stage: _Stage, draw: Draw) -> None:
    method = draw.choice(_METHODS)
    target, _, body = draw.rest().partition(b"\0")
    stage.answer(method, target.decode("utf-8", "surrogateescape"), body)


def _sealed_by_post(stage: _Stage, draw: Draw) -> None:
    """By POST, twice: octets that come again are answered as before, but for those that wait."""
    request = stage.request(draw)
    reply = stage.answer("POST", "/?operation=PKIOperation", request.octets)
    _judge(stage, request, reply)
    again = stage.answer("POST", "/?operation=PKIOperation", request.octets)
    assert reply.pki_status is PkiStatus.PENDING or (again.status, again.body) == (reply.status, reply.body)


def _sealed_by_get(stage: _Stage, draw: Draw) -> None:
    request = stage.request(draw)
    target = f"/?operation=PKIOperation&message={quote(base64.b64encode(request.octets), safe='')}"
    _judge(stage, request, stage.answer("GET", target))


def _judge(stage: _Stage, request: pki.Request, reply: HttpReply) -> None:
    """An answer says whose it is; a certificate is granted to the key, name and password of a sound request alone."""
    if reply.status != 200:
        assert request.layer in ("attributes", "certificate", "whole") or reply.status == 405
        return
    message = read_message(reply.body, keys=(lab.key(request.phone),))
    assert message.message_type is MessageType.CertRep
    assert message.signature_valid
    if request.layer not in ("attributes", "whole") and not any(isinstance(answer, Forge) for answer in stage.script):
        assert (message.transaction_id, message.recipient_nonce) == (pki.TRANSACTION_ID, pki.NONCE)
    if message.status is PkiStatus.SUCCESS and message.issued:
        _judge_issued(stage, request, message)


def _judge_issued(stage: _Stage, request: pki.Request, message: PkiMessage) -> None:
    assert read_message(request.octets).signature_valid
    if request.kind in (MessageType.PKCSReq, MessageType.RenewalReq) and request.layer in ("none", "content"):
        asked, renewal = read_csr(request.content), request.kind is MessageType.RenewalReq
        leaf = next(granted for granted in message.issued if granted.public_key_der == asked.public_key_der)
        assert leaf.subject_der == asked.subject_der
        assert asked.signature_valid
        if not stage.pends:  # else it may be taken for a poll, and an earlier request had the password
            assert asked.challenge_password == lab.PASSWORD or (renewal and asked.challenge_password is None)
        assert renewal or asked.public_key_der == lab.certificate(request.phone).public_key_der
        assert leaf.signed_by(lab.authority().certificate)
        _is_sound(request.content, leaf.der)


def _is_sound(asked: bytes, issued: bytes) -> None:
    """Where cryptography reads the request, it reads the certificate too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            subject = x509.load_der_x509_csr(asked).subject
        except Exception:  # noqa: BLE001 - what it refuses, for whatever reason, is no oracle
            return
        assert x509.load_der_x509_certificate(issued).subject == subject
