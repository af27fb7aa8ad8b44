"""The protocols of the services without any transport: odd input, cut anywhere, and hostile input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.asn1 import Malformed
from hil.clock import ScaledClock
from hil.evidence import EventName
from hil.services.events import EventStream
from hil.services.tls.connection import Caller, NotSpoken, Requests, Speech
from hil.services.tls.handshake import first_certificate
from hil.services.tls.ldap import Directory
from hil.services.tls.sip import LONGEST_HEAD, Registrar
from hil.services.tls.syslog import SyslogOverTls

OPTIONS = (
    b"OPTIONS sip:bench SIP/2.0\r\nv: SIP/2.0/TLS 10.0.0.3;branch=z9\r\nVia: SIP/2.0/TLS 10.0.0.9;rport\r\n"
    b"From: <sip:1@b>;tag=1\r\nTo: <sip:1@b>;tag=2\r\ni: c\xff2\r\nCSeq: 1 OPTIONS\r\nX: folded\r\n line\r\nl: 3\r\n\r\nabc"
)
BIND = bytes.fromhex("300c020101600702010304008000")
SEARCH = bytes.fromhex("3025020102632004000a01000a0100020100020100010100870b6f626a656374436c6173733000")
UNBIND = bytes.fromhex("30050201034200")


def sip(events: EventStream) -> Speech:
    return Registrar(requests(events, "SIP"))


def ldap(events: EventStream) -> Speech:
    return Directory(requests(events, "LDAP"))


def syslog(events: EventStream) -> Speech:
    return SyslogOverTls(requests(events, "SYSLOG"), events)


def requests(events: EventStream, service: str) -> Requests:
    return Requests(Caller(service, "j179-1", "10.0.0.3", 5061), events)


def said(make: Callable[[EventStream], Speech], *pieces: bytes) -> tuple[bytes, list[object]]:
    """The answers, and what the events say was asked."""
    events = EventStream(ScaledClock())
    speech = make(events)
    answers = b"".join(map(speech.take, pieces))
    return answers, [event.details.get("request", event.details.get("text")) for event in events.since()]


@pytest.mark.parametrize(
    ("make", "octets", "asked"),
    [
        (sip, OPTIONS + b"\r\n" + OPTIONS + b"\r\n\r\n", ["OPTIONS", "OPTIONS", "keep-alive"]),
        (ldap, BIND + SEARCH + UNBIND, ["bind", "search", "unbind"]),
        (syslog, b"5 <1>ab4 <2>c", ["ab", "c"]),
    ],
)
def test_it_does_not_matter_where_the_octets_are_cut(
    make: Callable[[EventStream], Speech], octets: bytes, asked: list[object]
) -> None:
    whole, seen = said(make, octets)
    piecewise, seen_again = said(make, *(octets[at : at + 1] for at in range(len(octets))))
    assert seen == seen_again == asked
    assert whole == piecewise


def test_options_are_answered_with_what_they_asked_by() -> None:
    answer, _ = said(sip, OPTIONS)
    assert answer == (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS 10.0.0.3;branch=z9\r\nVia: SIP/2.0/TLS 10.0.0.9;rport\r\n"
        b"From: <sip:1@b>;tag=1\r\nTo: <sip:1@b>;tag=2\r\nCall-ID: c\xff2\r\nCSeq: 1 OPTIONS\r\n"
        b"Allow: REGISTER, OPTIONS\r\nServer: j100-hil\r\nContent-Length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("contact", "expires", "registered"),
    [
        (b"<sip:1@a>", b"Expires: 60\r\n", [b"Contact: <sip:1@a>;expires=60"]),
        (b"<sip:1@a>", b"", [b"Contact: <sip:1@a>;expires=3600"]),
        (b"<sip:1@a;expires=9>", b"Expires: soon\r\n", [b"Contact: <sip:1@a;expires=9>;expires=3600"]),
        (b"<sip:1@a>;expires=0, <sip:2@a>;Expires=5", b"", [b"Contact: <sip:2@a>;Expires=5"]),
        (b"*", b"Expires: 0\r\n", []),
    ],
)
def test_what_is_registered_and_for_how_long(contact: bytes, expires: bytes, registered: list[bytes]) -> None:
    request = OPTIONS.replace(b"OPTIONS", b"REGISTER").replace(b"X: folded", b"m: " + contact + b"\r\n" + expires + b"X: folded")
    answer, _ = said(sip, request)
    assert [line for line in answer.split(b"\r\n") if line.startswith(b"Contact")] == registered


def test_other_requests_are_told_what_is_allowed_and_an_ack_nothing() -> None:
    answer, asked = said(sip, OPTIONS.replace(b"OPTIONS", b"SUBSCRIBE"), OPTIONS.replace(b"OPTIONS", b"ACK"))
    assert answer.startswith(b"SIP/2.0 405 ")
    assert answer.count(b"SIP/2.0 4") == 1
    assert asked == ["SUBSCRIBE", "ACK"]


def test_answers_of_ldap_name_their_message_and_a_modify_is_refused() -> None:
    assert said(ldap, BIND)[0] == bytes.fromhex("300c02010161070a010004000400")
    assert said(ldap, SEARCH)[0] == bytes.fromhex("300c02010265070a010004000400")
    assert said(ldap, bytes.fromhex("3009020104660404003000"))[0] == bytes.fromhex("300c02010467070a013504000400")


@pytest.mark.parametrize(
    ("make", "octets"),
    [
        (sip, b"HELLO\r\n\r\n"),
        (sip, b"OPTIONS sip:x SIP/2.0\r\nVia: x\r\n\r\n"),
        (sip, b"OPTIONS sip:x SIP/2.0\r\nno colon\r\n\r\n"),
        (sip, OPTIONS.replace(b"l: 3", b"l: 99999")),
        (sip, OPTIONS.replace(b"l: 3", b"l: -3")),
        (sip, b"x" * LONGEST_HEAD),
        (sip, b"OPTIONS sip:x SIP/2.0\r\nX: " + b"<" * 3_000 + b"\r\n\r\n"),
        (ldap, b"\x30\x80"),
        (ldap, b"\x30\x85"),
        (ldap, b"\x30\x84\x00\xff\xff\xff"),
        (ldap, b"\x31\x05"),
        (ldap, b"\x30\x03\x02\x01\x01"),
        (ldap, b"\x30\x05\x02\x01\x01\x5f\x00"),
        (ldap, b"\x30\x05\x02\x05\x01\x42\x00"),
        (syslog, b"<165>as over UDP\n"),
        (syslog, b"0 x"),
        (syslog, b"999999 x"),
        (syslog, b"1234567"),
    ],
)
def test_what_is_not_the_protocol_is_told(make: Callable[[EventStream], Speech], octets: bytes) -> None:
    with pytest.raises((NotSpoken, Malformed)):
        said(make, octets)


@pytest.mark.parametrize("make", [sip, ldap, syslog])
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([OPTIONS, BIND, SEARCH, b"9 ", b"\r\n\r\n"])), max_size=5))
def test_no_input_has_another_outcome(make: Callable[[EventStream], Speech], pieces: list[bytes]) -> None:
    with contextlib.suppress(NotSpoken, Malformed):
        said(make, *pieces)


@given(st.binary(max_size=40), st.sampled_from([0x303, 0x304]))
def test_a_certificate_message_may_be_cut_anywhere(message: bytes, version: int) -> None:
    found = first_certificate(message, version)
    assert found is None or found in message


def test_events_of_a_service_name_their_phone() -> None:
    events = EventStream(ScaledClock())
    ldap(events).take(BIND)
    [event] = events.since()
    assert (event.name, event.device, event.details["client"]) == (EventName.TLS_REQUEST, "j179-1", "10.0.0.3:5061")
