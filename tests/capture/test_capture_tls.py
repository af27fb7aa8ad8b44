"""TLS in captures made by hand from handshakes of the ssl module: cut, doubled, damaged, and over ports used again."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.capture.files import CaptureFile
from hil.capture.tls import TlsConnection, tls_connections
from hil.clock import ScaledClock
from hil.scep.algorithms import public_key_der
from hil.scep.authority import Authority, key_to_pem, to_pem
from hil.scep.csr import build_csr, read_csr

Flights = list[tuple[bool, bytes]]


class Ends(NamedTuple):
    """Both ends' identities on disk, and the serial number of the client's."""

    server: Path
    client: Path
    root: Path
    serial: int


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("ends")
    authority = Authority.create("Lab CA", ScaledClock())
    key = rsa.generate_private_key(65537, 2048)
    now = ScaledClock().now()
    csr = read_csr(build_csr(key, (("CN", "phone"),), challenge_password=None))
    client = authority.issue(csr, not_before=now - timedelta(days=1), not_after=now + timedelta(days=1))
    server = authority.issue_server(public_key_der(key), ("10.0.0.1",))
    for name, certificate in (("client", client), ("server", server)):
        (folder / name).write_bytes(key_to_pem(key) + to_pem(certificate))
    (folder / "root").write_bytes(to_pem(authority.certificate))
    return Ends(folder / "server", folder / "client", folder / "root", client.serial)


def flights(workshop: SimpleNamespace, ends: Ends, version: ssl.TLSVersion, says: bytes = b"hello") -> Flights:
    """What crosses a connection on which the client presents its certificate and says something."""
    client = ssl.create_default_context(cafile=ends.root)
    client.load_cert_chain(ends.client)
    client.maximum_version = version
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ends.root)
    server.load_cert_chain(ends.server)
    server.verify_mode = ssl.CERT_REQUIRED
    return workshop.over_tls(client, server, says)


@pytest.fixture(scope="module")
def in_clear(workshop: SimpleNamespace, ends: Ends) -> Flights:
    """A connection whose handshake is in clear."""
    return flights(workshop, ends, ssl.TLSVersion.TLSv1_2)


def seen(workshop: SimpleNamespace, sent: list[bytes]) -> tuple[TlsConnection, ...]:
    return tls_connections(CaptureFile(workshop.pcap([workshop.framed(packet) for packet in sent])))


@pytest.mark.parametrize("piece", [7, 100, 1_400])
def test_a_certificate_is_found_however_its_message_is_cut(
    workshop: SimpleNamespace, ends: Ends, in_clear: Flights, piece: int
) -> None:
    sent = workshop.in_segments(in_clear, piece=piece)
    [one] = seen(workshop, sent)
    assert (one.client, one.server, one.version) == ("10.0.0.7:50000", "10.0.0.1:80", "TLSv1.2")
    assert one.certificate is not None
    assert one.certificate.serial == ends.serial
    assert one.certificate_frame is not None
    assert one.frame < one.certificate_frame < len(sent)
    [record] = [record for record in one.records if record.from_client]
    assert record.frame == len(sent)
    assert one.problems == []


def test_tls_1_3_seals_the_certificate(workshop: SimpleNamespace, ends: Ends) -> None:
    [one] = seen(workshop, workshop.in_segments(flights(workshop, ends, ssl.TLSVersion.TLSv1_3)))
    assert (one.version, one.sealed, one.certificate) == ("TLSv1.3", True, None)
    assert {record.from_client for record in one.records} == {True, False}


def test_segments_out_of_order_and_twice_are_read_once(workshop: SimpleNamespace, in_clear: Flights) -> None:
    sent = workshop.in_segments(in_clear, piece=300)
    shuffled = [*sent[:3], *(packet for at in range(3, len(sent), 2) for packet in reversed(sent[at : at + 2])), sent[5], sent[0]]
    [one] = seen(workshop, shuffled)
    assert one.certificate is not None
    assert len([record for record in one.records if record.from_client]) == 1
    assert one.problems == []


def test_missing_bytes_are_a_problem_of_the_connection(workshop: SimpleNamespace, in_clear: Flights) -> None:
    sent = workshop.in_segments(in_clear, piece=300)
    from_client = [at for at, packet in enumerate(sent) if packet[15] == 7 and len(packet) > 300]
    hole = from_client[-2]
    [one] = seen(workshop, sent[:hole] + sent[hole + 1 :])
    assert one.certificate is None
    assert "missing" in " ".join(one.problems)


def test_ports_used_again_are_another_connection(workshop: SimpleNamespace, in_clear: Flights) -> None:
    first = workshop.in_segments(in_clear)
    again = workshop.Talk(numbers={True: 90_000, False: 80_000})
    second = [*again.opening(), *(again.segment(way, octets) for way, octets in in_clear)]
    one, two = seen(workshop, first + second)
    assert one.certificate is not None
    assert two.certificate is not None
    assert one.certificate_frame is not None
    assert one.certificate_frame < two.frame


def test_what_is_not_tls_is_none(workshop: SimpleNamespace) -> None:
    talk = workshop.Talk()
    assert seen(workshop, [*talk.opening(), talk.ask(workshop.request()), talk.answer(workshop.reply(b"x"))]) == ()


def test_without_its_beginning_a_connection_is_left_out(workshop: SimpleNamespace, in_clear: Flights) -> None:
    assert seen(workshop, workshop.in_segments(in_clear)[3:]) == ()


@settings(max_examples=150, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=12))
def test_a_changed_connection_never_raises(
    workshop: SimpleNamespace, in_clear: Flights, changes: list[tuple[float, bytes]]
) -> None:
    sides = [bytearray(octets) for _, octets in in_clear]
    for place, octets in changes:
        side = sides[int(place * len(sides))]
        start = int(place * 1_000_003) % len(side)
        side[start : start + len(octets)] = octets
    changed = [(way, bytes(octets)) for (way, _), octets in zip(in_clear, sides, strict=True)]
    assert len(seen(workshop, workshop.in_segments(changed))) <= 1
