"""Identities, the letters of their macros in each place that uses them, and releases of firmware in their order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import Misuse
from hil.identity import Firmware, Identity, MacroPlace, expand, macros

PHONE = Identity("J179D02A", "C8-1F-EA-83-E8-5A", "19wz1234567a")
LOWER, UPPER = "c81fea83e85a", "C81FEA83E85A"


@pytest.mark.parametrize(
    ("place", "text", "expanded"),
    [
        (MacroPlace.CERTIFICATE, "$MACADDR", LOWER),
        (MacroPlace.CERTIFICATE, "$MACADDR_UPPER", UPPER),
        (MacroPlace.CERTIFICATE, "$SERIALNO", "19WZ1234567A"),
        (MacroPlace.PKCS12URL, "http://s/$MACADDR.p12", f"http://s/{UPPER}.p12"),
        (MacroPlace.DIRECTORY, "$MODEL4/$MACADDR/$SERIALNO", f"J179/{UPPER}/19WZ1234567A"),
        (MacroPlace.DOT1X, "$MACADDR", LOWER),
        (MacroPlace.DOT1X, "$SERIALNO", "19wz1234567a"),
        (MacroPlace.DOT1X, "$SERIALNO_UPPER", "19WZ1234567A"),
        (MacroPlace.FILE, "$MACADDR.txt", f"{LOWER}.txt"),
    ],
)
def test_each_place_has_its_own_letters(place: MacroPlace, text: str, expanded: str) -> None:
    assert expand(text, PHONE, place) == expanded


@pytest.mark.parametrize("place", MacroPlace)
def test_the_longest_macro_is_taken_first(place: MacroPlace) -> None:
    known = macros(PHONE, place)
    for macro, meaning in known.items():
        assert expand(f"a{macro}-{macro}z", PHONE, place) == f"a{meaning}-{meaning}z"


def test_a_macro_that_a_place_does_not_know_stays() -> None:
    assert expand("$MODEL4 $GROUP", PHONE, MacroPlace.CERTIFICATE) == "$MODEL4 $GROUP"


def test_what_a_macro_stands_for_is_not_expanded_again() -> None:
    assert expand("$$MACADDR", PHONE, MacroPlace.CERTIFICATE) == f"${LOWER}"


@pytest.mark.parametrize("mac", ["c8:1f:ea:83:e8:5a", "C8-1F-EA-83-E8-5A", "C81FEA83E85A", "c81f.ea83.e85a"])
def test_a_mac_address_has_one_form(mac: str) -> None:
    identity = Identity("J179", mac, "1")
    assert identity.mac == "c8:1f:ea:83:e8:5a"
    assert identity.mac_digits == LOWER
    assert identity == Identity("J179", LOWER, "1")


def test_model4_is_the_model_without_its_hardware() -> None:
    assert PHONE.model4 == "J179"


@pytest.mark.parametrize(
    ("model", "mac", "serial", "key"),
    [
        ("9611G", LOWER, "1", "model"),
        ("j179", LOWER, "1", "model"),
        ("J179", "c8:1f:ea:83:e8", "1", "mac"),
        ("J179", LOWER + "00", "1", "mac"),
        ("J179", "c81fea83e85g", "1", "mac"),
        ("J179", LOWER, "", "serial"),
        ("J179", LOWER, "19 WZ", "serial"),
        ("J179", LOWER, "1" * 33, "serial"),
    ],
)
def test_what_no_phone_has_is_refused_by_its_key(model: str, mac: str, serial: str, key: str) -> None:
    with pytest.raises(Misuse) as refused:
        Identity(model, mac, serial)
    assert refused.value.key == key
    assert refused.value.remedy


def test_releases_are_ordered_by_their_numbers() -> None:
    releases = ["3.0.0.0.20", "4.0.4.0", "4.0.12.1", "4.0.13.0", "4.1.3.0.6", "4.1.11.0.9"]
    assert sorted(map(Firmware, reversed(releases))) == list(map(Firmware, releases))
    assert Firmware("4.0.13.0") <= Firmware("4.0.13") < Firmware("4.0.13.0.1")


@given(st.lists(st.integers(0, 9999), min_size=2, max_size=6))
def test_missing_numbers_are_zeros(numbers: list[int]) -> None:
    short, long = Firmware(".".join(map(str, numbers))), Firmware(".".join(map(str, [*numbers, *[0] * (6 - len(numbers))])))
    assert short == long
    assert hash(short) == hash(long)
    assert str(short) == short.text


@pytest.mark.parametrize("text", ["4", "", "4.x", "4.1.", "R4.1", "4.1.2.3.4.5.6", "4.10000", " 4.1"])
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match="is not a firmware release"):
        Firmware(text)


def test_a_release_equals_no_text() -> None:
    assert Firmware("4.1") != "4.1"
