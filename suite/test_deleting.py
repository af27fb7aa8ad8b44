"""Deleting certificates: which ones a parameter deletes, and what it keeps out while it is 1."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Observation, changes, scenario

ONE_OF_THREE = (
    changes(slot=2, DELETE_SCEP_CERT="1"),
    changes(slot=2, DELETE_SCEP_CERT="0"),
    changes(DELETE_MY_CERT="1"),
    changes(DELETE_MY_CERT="0"),
)
SECOND = scenario(*ONE_OF_THREE, slot=2, MYCERTCN="deleted $MACADDR")
THIRD = scenario(*ONE_OF_THREE, slot=3, MYCERTCN="kept $MACADDR 3")
KEPT = scenario(*ONE_OF_THREE, slot=1, MYCERTCN="kept $MACADDR 1", mates=[SECOND, THIRD])


@KEPT
@pytest.mark.requirement("DELETE-OWN-SLOT")
def test_each_parameter_deletes_the_certificate_of_its_own_profile(phone: Observation, reference: Observation) -> None:
    second, third = phone.mates
    assert [len(seen.enrolled_boots) for seen in (phone, second, third)] == [1, 2, 1]
    assert second.enrolled_boots == reference.mates[0].enrolled_boots


@KEPT
@pytest.mark.requirement("DELETE-MY-CERT-OF-SEVERAL")
def test_of_several_certificates_delete_my_cert_deletes_none(phone: Observation, reference: Observation) -> None:
    last = max(boot for seen in (reference, *reference.mates) for boot in seen.enrolled_boots)
    assert all(boot <= last for seen in (phone, *phone.mates) for boot in seen.enrolled_boots)


@scenario(
    changes(DELETE_SCEP_CERT="1", DELETE_MY_CERT="1"),
    changes(DELETE_SCEP_CERT="0", DELETE_MY_CERT="1"),
    changes(DELETE_SCEP_CERT="0", DELETE_MY_CERT="0"),
    alone=True,
    slot=1,
)
@pytest.mark.requirement("DELETE-MY-CERT-BLOCKS")
def test_delete_my_cert_keeps_others_out(phone: Observation, reference: Observation) -> None:
    assert phone.enrolments_after_restart == reference.enrolments_after_restart == 1
    assert phone.enrolled_boots == reference.enrolled_boots


@scenario(changes(DELETE_MY_CERT="1"), changes(DELETE_MY_CERT="0"), alone=True, slot=1)
@pytest.mark.requirement("DELETE-MY-CERT-ONLY")
def test_whether_delete_my_cert_deletes_the_only_certificate_by_scep(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    characterise("enrolments after DELETE_MY_CERT", phone.enrolments_after_restart, reference.enrolments_after_restart)
