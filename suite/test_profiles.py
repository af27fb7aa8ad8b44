"""Which profile enrols, where, and when."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Comparison, Observation, changes, restart, scenario


@scenario(MYCERTURL="")
@pytest.mark.requirement("NO-URL")
def test_no_url_no_contact(phone: Observation, reference: Observation) -> None:
    assert not phone.contacted
    assert not reference.contacted


@pytest.mark.parametrize(
    "slot",
    [pytest.param(slot, marks=scenario(slot=slot, MYCERTCN=f"slot {slot} $SERIALNO")) for slot in (1, 2, 3)],
)
@pytest.mark.requirement("PROFILE-URL")
def test_url_of_each_profile(phone: Observation, reference: Observation, slot: int) -> None:
    assert phone.enrolled
    assert phone.slot == slot
    assert phone.csr.common_name == reference.csr.common_name


def own_parameters(slot: int) -> pytest.MarkDecorator:
    """Every parameter of a profile but the key length, whose third name the documents spell in two ways."""
    return scenario(
        slot=slot,
        MYCERTCN=f"own $MACADDR {slot}",
        MYCERTDN=f"/C=US/O=Example/OU=Profile {slot}",
        MYCERTCAID=f"CA {slot}",
        SCEPENCALG="1",
        SCEPPASSWORD="$MACADDR",
    )


@pytest.mark.parametrize("slot", [pytest.param(slot, marks=own_parameters(slot)) for slot in (1, 2, 3)])
@pytest.mark.requirement("PROFILE-PARAMETERS")
def test_each_profile_has_its_own_parameters(comparison: Comparison, phone: Observation, slot: int) -> None:
    assert phone.slot == slot
    assert comparison.findings


@scenario()
@pytest.mark.requirement("DURING-BOOT")
def test_enrols_during_boot(phone: Observation) -> None:
    assert phone.enrolments


@scenario(restart())
@pytest.mark.requirement("NO-SECOND-ENROLMENT")
def test_no_second_enrolment_after_restart(phone: Observation, reference: Observation) -> None:
    assert phone.enrolments_after_restart == reference.enrolments_after_restart == 0


@scenario(changes(DELETE_SCEP_CERT="1"), changes(DELETE_SCEP_CERT="0"))
@pytest.mark.requirement("CLEARING")
def test_deleted_certificate_is_replaced(phone: Observation, reference: Observation) -> None:
    assert phone.enrolments_after_restart == reference.enrolments_after_restart == 1
    assert phone.enrolled_boots == reference.enrolled_boots


@scenario()
@pytest.mark.requirement("HABITS")
def test_habits(phone: Observation, characterise: Characterise) -> None:
    characterise("ca.operations", [seen.exchange.operation for seen in phone.seen])
