"""Time: which instant counts for a renewal, and what a phone does that was told a wrong one, or none."""

from __future__ import annotations

import pytest

from hil_fixtures import (
    Characterise,
    Issue,
    Observation,
    Reject,
    Where,
    due_in,
    passes,
    restart,
    scenario,
    tells_no_time,
    tells_time,
)

THREE_DAYS = passes(hours=79)
"""No document says how often a phone looks what is due, nor that it looks when it boots."""
A_MONTH_AHEAD = (tells_time(days=30), restart(), THREE_DAYS)
A_MONTH_BEHIND = (tells_time(days=-30), restart(), THREE_DAYS)
UNTOLD = (tells_no_time(), restart(), passes(hours=1.5), tells_time(), passes(hours=1.5))


@scenario(*A_MONTH_AHEAD, slot=1, ca=[Issue(days=100, backdated=65), Issue()])
@pytest.mark.requirement("RENEW-TIME")
def test_a_phone_that_is_told_that_it_is_time_renews(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed


@scenario(*A_MONTH_AHEAD, slot=3, ca=[Issue(days=100, backdated=20), Issue()])
@pytest.mark.requirement("RENEW-TIME")
def test_a_phone_that_is_told_that_it_is_not_yet_time_waits(phone: Observation, reference: Observation) -> None:
    assert not phone.renewal.attempts
    assert not reference.renewal.attempts


@scenario(*A_MONTH_BEHIND, slot=1, ca=[due_in(90, minutes=120), Issue()])
@pytest.mark.requirement("RENEW-TIME")
def test_a_phone_that_is_told_an_earlier_time_waits(phone: Observation, reference: Observation) -> None:
    assert not phone.renewal.attempts
    assert not reference.renewal.attempts


@scenario(*A_MONTH_AHEAD, slot=2, ca=[Issue(days=100, backdated=75), Issue()])
@pytest.mark.requirement("EXPIRED-AT-BOOT")
def test_a_certificate_that_has_expired_at_boot(phone: Observation) -> None:
    assert phone.enrolled


@scenario(*A_MONTH_BEHIND, slot=2, ca=[Issue()])
@pytest.mark.requirement("NOT-YET-VALID")
def test_a_certificate_that_is_not_valid_yet_at_boot(phone: Observation) -> None:
    assert phone.enrolled


@scenario(*A_MONTH_BEHIND, slot=3, ca=[Issue(backdated=-1)])
@pytest.mark.requirement("NOT-YET-VALID")
def test_a_certificate_that_is_not_valid_yet_when_it_comes(phone: Observation) -> None:
    assert phone.enrolled


def last_request(device: Observation) -> Where | None:
    return device.enrolments[-1].where if device.enrolments else None


@scenario(*UNTOLD, slot=1, ca=[Reject("badRequest"), Issue()])
@pytest.mark.requirement("TIME-UNTOLD")
def test_a_phone_that_is_told_no_time_and_holds_no_certificate(phone: Observation, characterise: Characterise) -> None:
    later = [round(seen.since_power_on / 60) for seen in phone.enrolments if seen.boot > phone.seen[0].boot]
    characterise("untold.enrols_after_minutes", later, where=last_request)


@scenario(*UNTOLD, slot=2, ca=[due_in(90, minutes=30), Issue()])
@pytest.mark.requirement("TIME-UNTOLD")
def test_a_phone_that_is_told_no_time_and_has_to_renew(phone: Observation, characterise: Characterise) -> None:
    later = [round(seen.since_power_on / 60) for seen in phone.enrolments if seen.boot > phone.seen[0].boot]
    characterise("untold.renews_after_minutes", later, where=last_request)
