"""Who presents which certificate is seen, whatever becomes of the handshake."""

from __future__ import annotations

import socket
import ssl
import struct
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName
from hil.scep.authority import Authority
from hil.services.lab import Lab

VERSIONS = {"-tls1_2": "TLSv1.2", "-tls1_3": "TLSv1.3"}
each_version = pytest.mark.parametrize("option", VERSIONS)


@each_version
def test_a_certificate_is_seen_with_its_service(rig: Any, option: str) -> None:
    own = rig.desk.issue("own")
    rig.openssl("SIP", option, "-cert", str(own.file), "-key", str(own.file))
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.device == "j179-1"
    assert event.details["service"] == "SIP"
    assert str(event.details["client"]).startswith("127.0.0.3:")
    assert event.details["version"] == VERSIONS[option]
    assert event.details["serial"] == own.serial
    assert event.details["subject"] == "CN=own"
    assert event.details["issuer"] == "CN=Lab CA,O=J100 bench"
    assert event.details["resumed"] is False
    assert event.details["cipher"]
    assert "failure" not in event.details


@each_version
def test_none_is_seen_as_none_and_served(rig: Any, option: str) -> None:
    said = rig.openssl("SIP", option)
    assert "Acceptable client certificate CA names" not in said, "a phone must be free to choose"
    assert "No client certificate CA names sent" in said
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert (event.details["serial"], event.details["subject"], event.details["issuer"]) == (None, None, None)
    assert "failure" not in event.details


@each_version
def test_no_fault_of_a_certificate_hides_it(rig: Any, option: str, tmp_path: Path) -> None:
    """Of a foreign CA, valid in a time to come only, with a small key and SHA-1: seen, and the phone is served."""
    foreign = type(rig.desk)(Authority.create("Foreign CA", ScaledClock()), tmp_path)
    odd = foreign.issue("odd", starts_in=3_000, digest="sha1", key=rsa.generate_private_key(65537, 1024))
    lax = ("-cipher", "DEFAULT:@SECLEVEL=0")
    rig.openssl("SIP", option, *lax, "-cert", str(odd.file), "-key", str(odd.file), sends=b"\r\n\r\n")
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert (event.details["serial"], event.details["issuer"]) == (odd.serial, "CN=Foreign CA,O=J100 bench")
    assert "failure" not in event.details
    [request] = rig.seen(EventName.TLS_REQUEST)
    assert request.details["request"] == "keep-alive"


@each_version
def test_a_certificate_for_servers_is_refused_and_seen(rig: Any, option: str) -> None:
    wrong = rig.desk.issue_for_servers("wrong")
    rig.openssl("LDAP", option, "-cert", str(wrong.file), "-key", str(wrong.file))
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.details["serial"] == wrong.serial
    assert event.details["failure"] == "unsuitable certificate purpose"
    assert event.details["alert"] == "bench: unsupported certificate"


def test_a_phone_that_does_not_trust_the_bench_says_so(rig: Any) -> None:
    context = ssl.create_default_context()
    raw = socket.create_connection(("127.0.0.1", rig.lab.tls_port("PPM")), timeout=20, source_address=("127.0.0.3", 0))
    with raw, pytest.raises(ssl.SSLCertVerificationError):
        context.wrap_socket(raw, server_hostname="127.0.0.1")
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.details["failure"] == "tlsv1 alert unknown ca"
    assert event.details["alert"] == "client: unknown ca"


def test_the_servers_certificate_has_its_address_and_its_name(rig: Any) -> None:
    for name in ("127.0.0.1", "bench.example"):
        rig.connect("XSI", server_name=name).close()
    with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.9"):
        rig.connect("XSI", server_name="127.0.0.9")


def test_a_version_that_is_too_old_is_seen(rig: Any) -> None:
    rig.openssl("SIP", "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.details["failure"] == "unsupported protocol"
    assert event.details["serial"] is None


def test_no_session_is_resumed_so_that_each_connection_shows_its_certificate(rig: Any) -> None:
    own = rig.desk.issue("own")
    rig.openssl("SIP", "-tls1_2", "-reconnect", "-cert", str(own.file), "-key", str(own.file))
    events = rig.seen(EventName.TLS_HANDSHAKE, 6)
    assert [event.details["serial"] for event in events] == [own.serial] * 6
    assert not any(event.details["resumed"] for event in events)


def test_a_session_of_tls_1_3_gets_no_ticket(rig: Any) -> None:
    said = rig.openssl("SIP", "-tls1_3", sends=b"\r\n\r\n")
    assert "Post-Handshake New Session Ticket arrived" not in said
    rig.seen(EventName.TLS_HANDSHAKE)


@pytest.mark.parametrize("octets", [b"REGISTER sip:x SIP/2.0\r\n\r\n", b"\x16\x03\x01\x40\x00" + bytes(200), b""])
def test_what_is_not_tls_is_a_stray(rig: Any, octets: bytes) -> None:
    with socket.create_connection(("127.0.0.1", rig.lab.tls_port("SIP")), timeout=20, source_address=("127.0.0.3", 0)) as raw:
        raw.sendall(octets)
        raw.shutdown(socket.SHUT_WR)
        [event] = rig.seen(EventName.STRAY)
    assert (event.device, event.details["service"], event.details["reason"]) == ("j179-1", "SIP", "not TLS")


def test_a_client_that_leaves_in_its_handshake_is_seen(rig: Any) -> None:
    outgoing, incoming = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="bench.example")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    with socket.create_connection(("127.0.0.1", rig.lab.tls_port("SIP")), timeout=20, source_address=("127.0.0.3", 0)) as raw:
        raw.sendall(outgoing.read())
        assert raw.recv(1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.details["failure"] == "the client left"


def test_a_stranger_is_seen_as_nobodys(rig: Any) -> None:
    rig.lab.place("j179-1", "127.0.0.4")
    rig.openssl("SIP")
    [event] = rig.seen(EventName.TLS_HANDSHAKE)
    assert event.device is None


def test_a_service_that_is_none_is_named(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="8021X"):
        Lab(clock=ScaledClock(), authority=authority, state=tmp_path, tls={"8021X": 0})
