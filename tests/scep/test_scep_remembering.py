from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil import asn1
from hil.asn1 import Element, Malformed
from hil.clock import ManualClock
from hil.scep import algorithms, names
from hil.scep.authority import Authority, new_serial, self_signed
from hil.scep.certificate import read_certificate, write_certificate
from hil.scep.remembering import remembering

KEY = rsa.generate_private_key(65537, 2048)
NAME = names.write_name((("O", "Lab, with a comma"), ("CN", " phone #1")))
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize("serial", [1, 127, 128, 2**126 + 5, 2**159, 2**160 - 1, 0, -5])
@pytest.mark.parametrize("year", [1949, 1999, 2049, 2050])
def test_a_certificate_written_is_the_one_that_is_read(serial: int, year: int) -> None:
    written = write_certificate(
        subject_der=NAME,
        issuer_der=names.write_name((("CN", "above"),)),
        serial=serial,
        not_before=datetime(year, 3, 4, 1, 2, 3, 999_999, tzinfo=EAST),
        not_after=datetime(year + 1, 1, 1, tzinfo=UTC),
        public_key_der=algorithms.public_key_der(KEY),
        extensions=(),
        key=KEY,
    )
    assert written == read_certificate(written.der)


def test_the_certificates_of_a_ca_and_of_its_clients_are_those_that_are_read() -> None:
    authority = Authority.create("Lab CA", ManualClock(), ra=True, receiver=True)
    own = self_signed(NAME, KEY, ManualClock().now(), digest="sha1")
    server = authority.issue_server(algorithms.public_key_der(KEY), ["127.0.0.1"], ["bench.example"])
    for written in (*authority.certificates, own, server):
        assert written == read_certificate(written.der)
    assert new_serial() != new_serial()


def reader(seen: list[bytes]) -> Callable[[Element], int]:
    @remembering(most=2, longest=8)
    def read(element: Element) -> int:
        seen.append(element.raw)
        return element.only_child().integer()

    return read


@pytest.mark.parametrize(
    ("octets", "remembered", "liberties"),
    [
        (asn1.sequence(asn1.integer(7)), True, ()),
        (asn1.sequence(asn1.integer(2**70)), False, ()),
        (b"\x30\x80\x02\x01\x07\0\0", False, ("indefinite lengths",)),
        (b"\x30\x04\x02\x81\x01\x07", False, ("lengths longer than need be",)),
    ],
)
def test_short_der_alone_is_remembered(octets: bytes, remembered: bool, liberties: tuple[str, ...]) -> None:
    seen: list[bytes] = []
    read = reader(seen)
    first, second = (asn1.read(asn1.sequence(octets)) for _ in range(2))
    assert read(first.children[0]) == read(second.children[0])
    assert second.liberties == liberties
    assert (len(seen) == 1) is remembered


def test_what_is_malformed_is_told_of_where_it_stands() -> None:
    whole = asn1.read(asn1.sequence(asn1.null(), asn1.sequence(asn1.null())))
    with pytest.raises(Malformed, match="offset 6"):
        reader([])(whole.children[1])
