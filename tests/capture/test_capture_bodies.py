"""Requests and replies in the forms that HTTP and careless peers give them: each is read, and what it took is noted."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.capture.bodies import MAX_DECODED, MAX_RATIO
from hil.capture.files import CaptureFile
from hil.capture.transcript import Exchange, Transcript, read_packets
from hil.clock import ManualClock
from hil.scep import build, cms
from hil.scep.authority import Authority, self_signed
from hil.scep.csr import build_csr, read_csr
from hil.scep.messages import MessageType, PkiStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NONCE = bytes(range(16))
TARGET = "/scep?operation=PKIOperation"
PKI = "Content-Type: application/x-pki-message\r\n"


@pytest.fixture(scope="module")
def said() -> SimpleNamespace:
    """An enrolment: `request`, `reply`, the `authority`, and the client's certificate."""
    authority, key = Authority.create("Bench CA", ManualClock()), rsa.generate_private_key(65537, 2048)
    csr = build_csr(key, (("CN", "phone"),), challenge_password=None)
    holder = self_signed(read_csr(csr).subject_der, key, NOW)
    request = build.build_request(
        MessageType.PKCSReq, csr, signer=holder, key=key, recipient=authority.certificate, transaction_id="T1", sender_nonce=NONCE
    )

    def reply(transaction_id: str = "T1", nonce: bytes = NONCE) -> bytes:
        issued = authority.issue(read_csr(csr), not_before=NOW, not_after=NOW)
        return build.build_cert_rep(
            PkiStatus.SUCCESS, transaction_id=transaction_id, recipient_nonce=nonce, signer=authority.certificate,
            key=authority.key, issued=(issued,), recipient=holder,
        )  # fmt: skip

    return SimpleNamespace(authority=authority, key=key, holder=holder, request=request, reply=reply, csr=csr)


@pytest.fixture
def exchange_of(workshop: Any) -> Callable[..., Exchange]:
    """The exchange of a request and the headers and body of its reply."""

    def read(request: bytes, body: bytes, headers: str = PKI, status: str = "200 OK", keys: tuple[Any, ...] = ()) -> Exchange:
        talk = workshop.Talk()
        reply = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
        frames = [workshop.framed(packet) for packet in (*talk.opening(), talk.ask(request), talk.answer(reply))]
        transcript: Transcript = read_packets(CaptureFile(workshop.pcap(frames)), "made by hand", keys=keys)
        assert transcript.problems == ()
        (exchange,) = transcript.exchanges
        return exchange

    return read


def post(workshop: Any, body: bytes) -> bytes:
    request: bytes = workshop.request(TARGET, "POST", body)
    return request


Reading = Callable[..., Exchange]


def test_a_plain_enrolment_needs_no_note(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    exchange = exchange_of(post(workshop, said.request), said.reply(), keys=(said.authority.key, said.key))
    assert exchange.problems == exchange.notes == ()
    assert exchange.request is not None
    assert exchange.reply is not None
    assert exchange.request.csr is not None
    assert exchange.reply.issued


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
    ],
)
def test_content_encodings_are_undone(
    workshop: Any, said: SimpleNamespace, exchange_of: Reading, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    exchange = exchange_of(post(workshop, said.request), encode(said.reply()), PKI + f"Content-Encoding: {encoding}\r\n")
    assert exchange.reply is not None
    assert exchange.reply.signature_valid
    assert exchange.problems == ()
    assert exchange.notes == (f"reply: Content-Encoding {encoding.lower()} was undone",)


def test_an_encoding_is_undone_within_bounds_and_another_is_a_problem(
    workshop: Any, said: SimpleNamespace, exchange_of: Reading
) -> None:
    bomb = gzip.compress(bytes(MAX_DECODED + 1))
    request = post(workshop, said.request)
    assert exchange_of(request, bomb, PKI + "Content-Encoding: gzip\r\n").problems[0] == (
        f"reply: more than {MAX_RATIO * len(bomb)} bytes once gzip is undone"
    )
    for encoding, body in (("br", said.reply()), ("gzip", said.reply())):
        exchange = exchange_of(request, body, PKI + f"Content-Encoding: {encoding}\r\n")
        assert exchange.problems[0] == f"reply: Content-Encoding {encoding} cannot be undone"


def test_messages_and_certificates_as_text(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    pem = b"-----BEGIN PKCS7-----\n" + base64.encodebytes(said.reply()) + b"-----END PKCS7-----\n"
    exchange = exchange_of(post(workshop, base64.b64encode(said.request)), pem)
    assert exchange.request is not None
    assert exchange.reply is not None
    assert exchange.notes == ("request: the message is base64", "reply: the message is PEM")
    certificate = base64.encodebytes(said.authority.certificate.der)
    for body, wrapping in (
        (certificate, "base64"),
        (b"x\n-----BEGIN CERTIFICATE-----\n" + certificate + b"-----END CERTIFICATE-----\n", "PEM"),
    ):
        exchange = exchange_of(workshop.request("/scep?operation=GetCACert"), body, "Content-Type: text/plain\r\n")
        assert exchange.certificates == (said.authority.certificate,)
        assert exchange.notes == (f"reply: the answer is {wrapping}",)


def test_a_reply_under_an_http_error_or_another_type_is_read(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    refused = exchange_of(post(workshop, said.request), said.reply(), status="400 Bad Request")
    assert refused.reply is not None
    assert refused.notes == ("HTTP 400",)
    exchange = exchange_of(post(workshop, said.request), said.reply(), "Content-Type: text/html; charset=utf-8\r\n")
    assert exchange.reply is not None
    assert exchange.notes == ("reply: Content-Type is not application/x-pki-message",)


def test_a_post_without_a_body_says_so(workshop: Any, exchange_of: Reading) -> None:
    exchange = exchange_of(workshop.request(TARGET, "POST"), b"")
    assert exchange.problems == ("request: not a pkiMessage: it is empty", "reply: not a pkiMessage: it is empty")


@pytest.mark.parametrize(
    ("target", "note"),
    [
        ("/scep?operation=PKIOperation&message={}#x", "request: the URL has a fragment"),
        ("/scep?operation=PKIOperation&amp;message={}", "request: `&amp;` stands for `&` in the URL"),
        ("/scep?message={}&operation=PKIOperation", None),
    ],
)
def test_urls_that_are_not_quite_right(
    workshop: Any, said: SimpleNamespace, exchange_of: Reading, target: str, note: str | None
) -> None:
    value = quote(base64.b64encode(said.request), safe="")
    exchange = exchange_of(workshop.request(target.format(value)), said.reply())
    assert exchange.request is not None
    assert exchange.request.transaction_id == "T1"
    assert exchange.notes == ((note,) if note else ())


def test_a_message_escaped_twice(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    value = quote(quote(base64.b64encode(said.request), safe=""), safe="")
    exchange = exchange_of(workshop.request(f"{TARGET}&message={value}"), said.reply())
    assert exchange.request is not None
    assert exchange.notes == ("request: the URL is percent-escaped twice",)


def test_an_answer_to_another_request_is_a_problem(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    exchange = exchange_of(post(workshop, said.request), said.reply("T2", NONCE[::-1]))
    assert exchange.problems == (
        "reply: transactionID is not the request's",
        "reply: recipientNonce is not the request's senderNonce",
    )


def test_a_reply_that_no_key_opens_says_whom_it_is_for(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    exchange = exchange_of(post(workshop, said.request), said.reply(), keys=(said.authority.key,))
    assert exchange.problems == ()
    assert exchange.notes == ("reply: sealed for CN=phone, whose key is not given",)


def test_capabilities_that_the_standard_has_not_are_noted(workshop: Any, exchange_of: Reading) -> None:
    body = b"AES\r\nsha-256\r\n\r\nSHA-384\r\nPOSTPKIOperation"
    exchange = exchange_of(workshop.request("/scep?operation=GetCACaps"), body, "Content-Type: text/plain\r\n")
    assert exchange.capabilities == ("AES", "sha-256", "SHA-384", "POSTPKIOperation")
    assert exchange.notes == (
        "reply: capability SHA-256 is written 'sha-256'",
        "reply: capability 'SHA-384' is none of RFC 8894's",
    )


def test_one_unreadable_certificate_does_not_hide_the_others(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    whole = cms.degenerate((said.authority.certificate, said.holder))
    spoilt = whole.replace(said.holder.der, said.holder.der[:4] + b"\x05" + said.holder.der[5:]) + b"\r\n"
    exchange = exchange_of(workshop.request("/scep?operation=GetCACert"), spoilt)
    assert exchange.certificates == (said.authority.certificate,)
    assert [problem.partition(": tag")[0] for problem in exchange.problems] == ["reply: certificate"]
    assert exchange.notes == ("reply: 2 octets after the message",)


def test_the_next_ca_is_what_the_current_one_signed(workshop: Any, said: SimpleNamespace, exchange_of: Reading) -> None:
    following = cms.degenerate((said.holder,))
    current = {"signer": said.authority.certificate, "key": said.authority.key, "digest": "sha256"}
    request = workshop.request("/scep?operation=GetNextCACert")
    signed = cms.write_signed_data(following, (), certificates=(said.authority.certificate,), **current)
    exchange = exchange_of(request, signed)
    assert (exchange.certificates, exchange.problems) == ((said.holder,), ())
    spoilt = signed[:-1] + bytes((signed[-1] ^ 1,))
    assert exchange_of(request, spoilt).problems == ("reply: the signature does not verify",)
    unsigned = exchange_of(request, following)
    assert unsigned.certificates is None
    assert unsigned.problems == ("reply: no certificates: the next CA's certificates are not signed",)


@pytest.mark.parametrize("ending", ["reset", "capture", "counted"])
def test_a_reply_that_is_complete_but_for_its_connections_end_is_read(workshop: Any, said: SimpleNamespace, ending: str) -> None:
    talk = workshop.Talk()
    counted = f"Content-Length: {len(said.reply()) + 9}\r\n" if ending == "counted" else ""
    head = f"HTTP/1.0 200 OK\r\n{PKI}{counted}\r\n".encode()

    def exchange(body: bytes) -> Exchange:
        packets = [*talk.opening(), talk.ask(post(workshop, said.request)), talk.answer(head + body)]
        if ending == "reset":
            packets.append(talk.segment(False, flags=4))
        found: Exchange = workshop.of(packets).exchanges[-1]
        return found

    read = exchange(said.reply())
    assert read.reply is not None
    assert read.reply.signature_valid
    assert len(read.problems) == 1
    cut = exchange(said.reply()[:-1])
    assert cut.reply is None
    assert len(cut.problems) == 1


def test_what_follows_a_tunnel_is_read(workshop: Any, said: SimpleNamespace) -> None:
    talk = workshop.Talk(server_port=3128)
    packets = [
        *talk.opening(),
        talk.ask(b"CONNECT ca:80 HTTP/1.1\r\nHost: ca\r\n\r\n"),
        talk.answer(b"HTTP/1.1 200 Connection established\r\n\r\n"),
        talk.ask(post(workshop, said.request)),
        talk.answer(workshop.reply(said.reply())),
    ]
    (exchange,) = workshop.of(packets).exchanges
    assert exchange.reply is not None
    assert exchange.reply.status is PkiStatus.SUCCESS
