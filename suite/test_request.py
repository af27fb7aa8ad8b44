"""How the request travels: CA identifier, cipher, challenge, nonces."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Inconclusive, Observation, changes, scenario


@scenario()
@pytest.mark.requirement("CAID-DEFAULT")
def test_ca_identifier_default(phone: Observation, reference: Observation) -> None:
    assert phone.ca.identifier == reference.ca.identifier == "CAIdentifier"


@scenario(MYCERTCAID="Lab CA/2")
@pytest.mark.requirement("CAID-SET")
def test_ca_identifier_set(phone: Observation, reference: Observation) -> None:
    assert phone.ca.identifier == reference.ca.identifier == "Lab CA/2"


@pytest.mark.parametrize("told", [pytest.param("nothing", marks=scenario()), pytest.param("0", marks=scenario(SCEPENCALG="0"))])
@pytest.mark.requirement("CIPHER-DES")
def test_des(phone: Observation, reference: Observation, told: str) -> None:
    assert phone.request.cipher_family == reference.request.cipher_family == "DES", f"SCEPENCALG {told}"


@scenario(SCEPENCALG="1")
@pytest.mark.requirement("CIPHER-AES")
def test_aes_256(phone: Observation, reference: Observation) -> None:
    assert phone.request.cipher_family == reference.request.cipher_family == "AES-256"


@scenario()
@pytest.mark.requirement("PASSWORD-DEFAULT")
def test_password_default(phone: Observation, reference: Observation) -> None:
    assert phone.csr.challenge == reference.csr.challenge


@pytest.mark.parametrize(
    "password",
    [
        pytest.param(text, marks=scenario(SCEPPASSWORD=text))
        for text in ("$SERIALNO", "$MACADDR", "pw-$MACADDR", "$SERIALNO/$MACADDR")
    ],
)
@pytest.mark.requirement("PASSWORD-MACRO")
def test_password_macro(phone: Observation, reference: Observation, password: str) -> None:
    assert phone.csr.challenge == reference.csr.challenge, f"SCEPPASSWORD {password}"


@scenario(SCEPPASSWORD="Correct-Horse-7")
@pytest.mark.requirement("PASSWORD-FIXED")
def test_password_fixed(phone: Observation, reference: Observation) -> None:
    assert phone.csr.challenge == reference.csr.challenge


@scenario(alone=True, SCEPPASSWORD="")
@pytest.mark.requirement("PASSWORD-EMPTY")
def test_password_empty(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    assert phone.challenges_sent == reference.challenges_sent == 0
    characterise("enrolments unattended with an empty password", len(phone.enrolments))


@scenario()
@pytest.mark.requirement("MESSAGE-SIGNATURE")
def test_message_signature(phone: Observation, reference: Observation) -> None:
    assert phone.request.signature_valid
    signer = phone.request.message.signer
    if signer is not None and signer.self_signed:  # one with a certificate of its factory has something to renew
        assert phone.request.message_type == reference.request.message_type == "PKCSReq"


@scenario(changes(DELETE_SCEP_CERT="1"), changes(DELETE_SCEP_CERT="0"))
@pytest.mark.requirement("NONCE-FRESH")
def test_sender_nonce_is_fresh(phone: Observation, reference: Observation) -> None:
    if len(phone.enrolments) < 2:
        raise Inconclusive("one request alone says nothing of the next one's nonce")
    assert phone.request.nonce_fresh
    assert reference.request.nonce_fresh
