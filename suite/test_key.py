"""The key pair: its length, what the length costs, and what it signs."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Observation, scenario


@scenario()
@pytest.mark.requirement("KEYLEN-DEFAULT")
def test_keylen_default(phone: Observation, reference: Observation) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 2048


@scenario(MYCERTKEYLEN="2048")
@pytest.mark.requirement("KEYLEN-2048")
def test_keylen_2048(phone: Observation, reference: Observation) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 2048


@scenario(slot=1, MYCERTKEYLEN="4096")
@pytest.mark.requirement("KEYLEN-4096")
def test_keylen_4096(phone: Observation, reference: Observation) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 4096


@pytest.mark.parametrize(
    "value", [pytest.param(value, marks=scenario(MYCERTKEYLEN=value)) for value in ("1024", "3072", "04096", "key")]
)
@pytest.mark.requirement("KEYLEN-INVALID")
def test_invalid_keylen_is_ignored(phone: Observation, reference: Observation, value: str) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 2048, f"MYCERTKEYLEN {value}"


@scenario(slot=3, MYCERTKEYLEN="4096")
@pytest.mark.requirement("KEYLEN-SLOT-3")
def test_keylen_of_the_third_profile(phone: Observation, reference: Observation) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 4096


@scenario(slot=3, MYCERTKEYLEN3="4096")
@pytest.mark.requirement("KEYLEN-3-SPELLING")
def test_keylen_spelling_of_the_third_profile(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    characterise("csr.key_bits by MYCERTKEYLEN3 4096", phone.csr.key_bits, reference.csr.key_bits)


@scenario(slot=1, MYCERTKEYLEN="4096")
@pytest.mark.requirement("KEYLEN-4096-BOOT")
def test_keylen_4096_costs_boot_time(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    characterise("request after settings with 4096 bits [phone s]", phone.timing.request_after_settings)
    characterise("csr.key_bits by MYCERTKEYLEN 4096", phone.csr.key_bits, reference.csr.key_bits)


@scenario()
@pytest.mark.requirement("CSR-SIGNATURE")
def test_csr_signature(phone: Observation, reference: Observation) -> None:
    assert phone.csr.signature_valid
    assert reference.csr.signature_valid


@scenario()
@pytest.mark.requirement("KEY-MATCHES-SIGNER")
def test_whether_the_csr_key_signs_the_message(phone: Observation, characterise: Characterise) -> None:
    characterise(
        "request.signer self-signed", phone.request.message.signer is not None and phone.request.message.signer.self_signed
    )
