"""The BER reader and the DER writer."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import asn1
from hil.asn1 import Malformed


def test_indefinite_lengths_and_segments_are_joined() -> None:
    data = bytes.fromhex("2480 0403 616263 2480 0401 64 0000 0400 0000 0500")
    element = asn1.read(data)
    assert element.octets() == b"abcd"
    assert (element.start, element.end) == (0, len(data) - 2)
    assert element.raw == data[:-2]


def test_constructed_context_tag_is_read_like_a_primitive_one() -> None:
    assert asn1.read(bytes.fromhex("a005 0403 616263")).octets() == b"abc"
    assert asn1.read(bytes.fromhex("8003 616263")).octets() == b"abc"


def test_high_tags_and_long_lengths() -> None:
    element = asn1.read(bytes.fromhex("bf8148 84 00000003 020105"))
    assert element.tag == 0x80 | 0xC8 << 8
    assert element.only_child().integer() == 5


@pytest.mark.parametrize(
    "octets",
    [
        "",
        "30",
        "3005 0201",
        "0480 0000",
        "3080 020105",
        "1f1e 00",
        "1fffffffff7f 00",
        "30ff",
        "3089 000000000000000001 00",
    ],
)
def test_what_is_cut_or_impossible_is_malformed(octets: str) -> None:
    with pytest.raises(Malformed):
        _ = asn1.read(bytes.fromhex(octets)).children


def test_depth_is_bounded_both_ways() -> None:
    with pytest.raises(Malformed, match="nested deeper"):
        asn1.read(b"\x30\x80" * 5_000_000)
    nested = b""
    for _ in range(asn1.MAX_DEPTH + 2):
        nested = asn1.sequence(nested)
    element = asn1.read(nested)
    for _ in range(asn1.MAX_DEPTH):
        element = element.only_child()
    with pytest.raises(Malformed, match="nested deeper"):
        element.only_child()


def test_ten_megabytes_of_small_elements_are_bounded_in_time() -> None:
    garbage = asn1.tlv(0x30, b"\x30\x80" + b"\x05\x00" * 5_000_000 + b"\0\0")
    start = time.perf_counter()
    with pytest.raises(Malformed, match="elements"):
        _ = asn1.read(garbage).children
    assert time.perf_counter() - start < 5


def test_reading_is_linear_in_nested_indefinite_lengths() -> None:
    depth = asn1.MAX_DEPTH - 1
    data = b"\x30\x80" * depth + asn1.octet_string(bytes(10_000_000)) + b"\0\0" * depth
    start = time.perf_counter()
    element = asn1.read(data)
    for _ in range(depth):
        element = element.only_child()
    assert len(element.octets()) == 10_000_000
    assert time.perf_counter() - start < 5


def test_more_than_the_largest_size_is_malformed() -> None:
    with pytest.raises(Malformed, match="more than"):
        asn1.read(bytes(asn1.MAX_SIZE + 1))


@given(st.integers())
def test_integers_come_back(value: int) -> None:
    assert asn1.read(asn1.integer(value)).integer() == value


def test_integers_are_bounded_so_that_they_can_be_shown() -> None:
    longest = asn1.tlv(asn1.INTEGER, b"\x7f" * asn1.MAX_INTEGER)
    assert str(asn1.read(longest).integer())
    with pytest.raises(Malformed, match="more than"):
        asn1.read(asn1.tlv(asn1.INTEGER, b"\x7f" * (asn1.MAX_INTEGER + 1))).integer()


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**40), max_size=8))
def test_object_identifiers_come_back(first: int, second: int, rest: list[int]) -> None:
    dotted = ".".join(map(str, (first, second, *rest)))
    assert asn1.read(asn1.oid(dotted)).oid() == dotted


@given(st.datetimes(datetime(1950, 1, 1), datetime(2999, 1, 1)))
def test_times_come_back_to_the_second(instant: datetime) -> None:
    instant = instant.replace(tzinfo=UTC, microsecond=0)
    assert asn1.read(asn1.time(instant)).time() == instant


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (asn1.UTC_TIME, "160531073014-0400", datetime(2016, 5, 31, 11, 30, 14, tzinfo=UTC)),
        (asn1.UTC_TIME, "9912312359Z", datetime(1999, 12, 31, 23, 59, tzinfo=UTC)),
        (asn1.GENERALIZED_TIME, "20510101000000.5Z", datetime(2051, 1, 1, tzinfo=UTC)),
    ],
)
def test_odd_times(tag: int, text: str, expected: datetime) -> None:
    assert asn1.read(asn1.tlv(tag, text.encode())).time() == expected


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (asn1.UTC_TIME, "20160531073014Z"),
        (asn1.UTC_TIME, "161331073014Z"),
        (asn1.GENERALIZED_TIME, "20160531"),
        (asn1.GENERALIZED_TIME, "99991231235959-2359"),
        (asn1.GENERALIZED_TIME, "00010101000000+0100"),
    ],
)
def test_impossible_times_are_malformed(tag: int, text: str) -> None:
    with pytest.raises(Malformed):
        asn1.read(asn1.tlv(tag, text.encode())).time()


@given(st.binary(max_size=200))
def test_any_octets_are_read_or_malformed(data: bytes) -> None:
    try:
        stack = [asn1.read(data)]
        while stack:
            element = stack.pop()
            for reading in (element.octets, element.oid, element.integer, element.bits, element.text, element.time):
                try:
                    reading()
                except Malformed:
                    continue
            if element.constructed:
                stack += element.children
    except Malformed:
        pass


def test_sets_are_sorted() -> None:
    assert asn1.set_of([b"\x02\x01\x09", b"\x02\x01\x01"]) == bytes.fromhex("3106 020101 020109")
