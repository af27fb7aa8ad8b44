"""Profiles side by side: each with a CA, a cipher and a key length of its own, and one that fails among them."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, HttpError, Observation, Reject, scenario

SECOND = scenario(slot=2, persona="rfc8894", MYCERTCN="second $MACADDR", SCEPENCALG="1")
THIRD = scenario(slot=3, persona="system-manager", MYCERTCN="third $MACADDR", SCEPPASSWORD="third $SERIALNO", SCEPENCALG="1")


@scenario(slot=1, persona="ejbca", MYCERTCN="first $MACADDR", mates=[SECOND, THIRD])
@pytest.mark.requirement("THREE-PROFILES")
@pytest.mark.requirement("PROFILES-OWN-CA")
def test_three_profiles_at_three_cas_in_one_boot(phone: Observation, reference: Observation) -> None:
    assert [seen.enrolled for seen in (phone, *phone.mates)] == [True, True, True]
    assert phone.enrolled_boots == phone.mates[0].enrolled_boots == phone.mates[1].enrolled_boots
    for seen, due in zip((phone, *phone.mates), (reference, *reference.mates), strict=True):
        assert seen.csr.common_name == due.csr.common_name
        assert seen.request.cipher_family == due.request.cipher_family


@scenario(slot=1, MYCERTKEYLEN="4096", mates=[scenario(slot=2, MYCERTKEYLEN="2048")])
@pytest.mark.requirement("KEYLENS-SIDE-BY-SIDE")
def test_profiles_have_keys_of_different_lengths(phone: Observation, reference: Observation) -> None:
    assert phone.csr.key_bits == reference.csr.key_bits == 4096
    assert phone.mates[0].csr.key_bits == reference.mates[0].csr.key_bits == 2048


@scenario(slot=3, persona="ndes", SCEPPASSWORD="7A05C9E1D2B3F468", SCEPENCALG="1")
@pytest.mark.requirement("RA-CERTIFICATES")
def test_a_ca_whose_ra_has_two_certificates(phone: Observation) -> None:
    assert phone.enrolments


REFUSED = scenario(slot=1, ca=[Reject("badRequest")], MYCERTCN="refused $MACADDR")
UNANSWERED = scenario(slot=3, ca=[HttpError(500)], MYCERTCN="unanswered $MACADDR")


@scenario(slot=2, MYCERTCN="granted $MACADDR", mates=[REFUSED, UNANSWERED])
@pytest.mark.requirement("PROFILE-FAILS-ALONE")
def test_a_profile_between_two_that_fail(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    characterise("enrolled beside profiles that fail", phone.enrolled, reference.enrolled)
    tried = [len(seen.enrolments) for seen in (phone, *phone.mates)]
    characterise("enrolments beside profiles that fail", tried, [len(seen.enrolments) for seen in (reference, *reference.mates)])
