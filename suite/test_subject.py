"""The request's subject: common name with its macros, and distinguished name."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Observation, scenario

DN = "/C=US/ST=NJ/L=Basking Ridge/O=Example/OU=Lab"


@scenario()
@pytest.mark.requirement("CN-DEFAULT")
def test_cn_default(phone: Observation, reference: Observation) -> None:
    assert phone.csr.common_name == reference.csr.common_name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            "$SERIALNO", marks=[scenario(MYCERTCN="$SERIALNO"), pytest.mark.requirement("CN-SERIALNO")], id="serial number"
        ),
        pytest.param("$MACADDR", marks=[scenario(MYCERTCN="$MACADDR"), pytest.mark.requirement("CN-MACADDR")], id="MAC"),
        pytest.param(
            "$MACADDR_UPPER",
            marks=[scenario(MYCERTCN="$MACADDR_UPPER"), pytest.mark.requirement("CN-MACADDR-UPPER")],
            id="MAC in upper case",
        ),
    ],
)
def test_cn_macro(phone: Observation, reference: Observation, name: str) -> None:
    assert phone.csr.common_name == reference.csr.common_name, f"MYCERTCN {name}"


@scenario(MYCERTCN="J100 $MACADDR at $SERIALNO")
@pytest.mark.requirement("CN-TEXT")
def test_cn_macros_among_text(phone: Observation, reference: Observation) -> None:
    assert phone.csr.common_name == reference.csr.common_name


@scenario(MYCERTCN="conference-room-7")
@pytest.mark.requirement("CN-NO-MACRO")
def test_cn_without_a_macro_is_ignored(phone: Observation, reference: Observation) -> None:
    assert phone.csr.common_name == reference.csr.common_name


@scenario(MYCERTDN=DN)
@pytest.mark.requirement("DN-PRESENT")
def test_dn_present(phone: Observation, reference: Observation) -> None:
    assert phone.csr.dn_parts == reference.csr.dn_parts


@scenario(MYCERTDN=DN)
@pytest.mark.requirement("DN-ORDER")
def test_dn_order(phone: Observation, characterise: Characterise) -> None:
    kept = phone.csr.dn == tuple(tuple(part.split("=")) for part in DN.split("/")[1:])
    characterise("csr.dn in the order of MYCERTDN", kept)


@scenario()
@pytest.mark.requirement("DN-ABSENT")
def test_dn_absent(phone: Observation, reference: Observation) -> None:
    assert phone.csr.dn_parts == reference.csr.dn_parts == ()


@scenario(MYCERTDN=DN)
@pytest.mark.requirement("DN-CN-POSITION")
def test_position_of_the_cn(phone: Observation, characterise: Characterise) -> None:
    characterise("csr.subject, kinds of its parts", [kind for kind, _ in phone.csr.subject])
