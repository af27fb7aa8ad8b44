"""SCEP in HTTP: how requests are recognised, and how a pkiMessage in a URL is read."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.asn1 import Malformed
from hil.capture.transcript import Exchange
from hil.scep.query import decode_url_message

MESSAGE = bytes(range(256)) + b"\xfb\xff\xfe"  # its base64 has both + and /


def one(workshop: Any, target: str, body: bytes, status: str = "200 OK") -> Exchange:
    talk = workshop.Talk()
    packets = [*talk.opening(), talk.ask(workshop.request(target)), talk.answer(workshop.reply(body, status))]
    (exchange,) = workshop.of(packets).exchanges
    assert isinstance(exchange, Exchange)
    return exchange


@pytest.mark.parametrize(
    ("value", "note"),
    [
        (quote(base64.b64encode(MESSAGE), safe=""), None),
        (base64.b64encode(MESSAGE).decode(), "a `+` is not percent-escaped in the URL"),
        (base64.b64encode(MESSAGE).decode().replace("+", "%20"), "a blank stands for `+` in the base64"),
        (quote(base64.encodebytes(MESSAGE), safe=""), "the base64 has line breaks"),
        (quote(base64.urlsafe_b64encode(MESSAGE), safe=""), "the base64 is in its URL alphabet"),
        (quote(base64.b64encode(MESSAGE + b"!").rstrip(b"="), safe=""), "the base64 lacks padding"),
    ],
)
def test_base64_in_a_url_is_read_and_the_tolerance_noted(value: str, note: str | None) -> None:
    message, notes = decode_url_message(value)
    assert message.startswith(MESSAGE)
    assert notes == ((note,) if note else ())


@given(st.binary(max_size=300), st.booleans(), st.booleans())
def test_any_message_survives_its_url(message: bytes, escaped: bool, padded: bool) -> None:
    text = base64.b64encode(message).decode()
    text = text if padded else text.rstrip("=")
    assert decode_url_message(quote(text, safe="") if escaped else text)[0] == message


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=80))
def test_what_is_no_base64_is_malformed_and_nothing_else(value: str) -> None:
    with contextlib.suppress(Malformed):
        decode_url_message(value)


def test_operations_in_any_case_and_the_ca_identifier(workshop: Any) -> None:
    exchange = one(workshop, "/scep?operation=getcacaps&message=CA%20Identifier", b"AES\r\nSHA-256\n\nPOSTPKIOperation")
    assert (exchange.operation, exchange.path, exchange.ca_identifier) == ("GetCACaps", "/scep", "CA Identifier")
    assert exchange.capabilities == ("AES", "SHA-256", "POSTPKIOperation")
    assert exchange.problems == ("operation is written 'getcacaps'",)
    assert one(workshop, "/scep?operation=GetCACaps", b"").ca_identifier is None
    assert one(workshop, "/scep?message=&operation=GetCACaps", b"").ca_identifier == ""
    assert one(workshop, "http://host:8080/x/scep?operation=GetCACaps", b"").path == "/x/scep"


def test_an_unknown_operation_is_an_exchange_with_a_problem(workshop: Any) -> None:
    exchange = one(workshop, "/scep?operation=GetEverything", b"no", "400 Bad Request")
    assert exchange.operation == "GetEverything"
    assert exchange.problems == ("operation 'GetEverything' is none that SCEP has",)
    assert exchange.notes == ("HTTP 400: no",)


def test_garbage_in_both_directions_is_problems(workshop: Any) -> None:
    exchange = one(workshop, "/scep?operation=PKIOperation&message=%00%01", b"\x30\x84\xff\xff\xff\xff")
    assert (exchange.request, exchange.reply) == (None, None)
    assert exchange.problems[0].startswith("request: the message in the URL is not base64")
    assert exchange.problems[1].startswith("reply: not a pkiMessage")
    exchange = one(workshop, "/scep?operation=GetCACert", b"<html>")
    assert exchange.certificates is None
    assert exchange.problems[0].startswith("reply: no certificates")


def test_a_reply_verifies_with_a_certificate_from_getcacert_of_the_same_capture(workshop: Any, vectors: Path) -> None:
    """The recorded reply lost its certificates on the way; the CA's, seen later in the capture, verifies it."""
    lab = vectors / "lab/jscep_server"
    reply = (lab / "sscep_des_sha1_02_rep.der").read_bytes()
    authority = (lab / "ca.crt.der").read_bytes()
    without = reply.replace(authority, b"")  # the containers have indefinite lengths, so that none is wrong now
    assert len(without) == len(reply) - len(authority)
    talk = workshop.Talk()
    packets = [
        *talk.opening(),
        talk.ask(workshop.request("/s?operation=PKIOperation", "POST", b"x")),
        talk.answer(workshop.reply(without)),
    ]
    (alone,) = workshop.of(packets).exchanges
    assert alone.reply is not None
    assert not alone.reply.signature_valid
    packets += [talk.ask(workshop.request("/s?operation=GetCACert")), talk.answer(workshop.reply(authority))]
    assert workshop.of(packets).exchanges[0].reply.signature_valid
