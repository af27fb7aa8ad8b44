"""What follows a request that came to nothing: a renewal that failed, an enrolment that failed, one that is pending."""

from __future__ import annotations

import pytest

from hil_fixtures import (
    Characterise,
    Garbage,
    HttpError,
    Inconclusive,
    Issue,
    Observation,
    Pend,
    Reject,
    Reset,
    Silence,
    due_in,
    listens,
    passes,
    refuses,
    restart,
    scenario,
)

SEVEN_DAYS = passes(days=7)
OVER_A_RESTART = (passes(hours=26), restart(), passes(hours=26))
DUE = due_in(90, minutes=180)
NEARLY_OVER = due_in(90, days=4, minutes=180)
"""Expires half a day after its renewal is due."""

REFUSALS = (Reject("badRequest"), Reject("badAlg"), Reject("badMessageCheck"), Reject("badTime"), Reject("badCertId"))


@scenario(SEVEN_DAYS, slot=1, ca=[DUE, *REFUSALS, Issue()])
@pytest.mark.requirement("RENEW-RETRY")
@pytest.mark.requirement("RENEW-DEFAULT")
def test_whatever_the_refusal_it_is_tried_every_24_hours(phone: Observation, reference: Observation) -> None:
    assert len(reference.renewal.intervals) == len(REFUSALS)
    assert phone.renewal.intervals, "a phone that asks twice in each attempt has fewer of them, but has some"
    assert phone.renewal.renewed
    assert phone.renewal.attempts_after_success == 0


@scenario(SEVEN_DAYS, slot=2, ca=[DUE, HttpError(500), Reset("before"), Silence(60), HttpError(503), Garbage(1000), Issue()])
@pytest.mark.requirement("RENEW-RETRY")
def test_a_ca_out_of_reach_is_asked_every_24_hours(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed
    assert phone.renewal.attempts_after_success == 0


@scenario(refuses(), passes(hours=64), listens(), passes(hours=40), slot=1, ca=[DUE, Issue()])
@pytest.mark.requirement("RENEW-RETRY")
def test_a_ca_whose_port_is_closed_is_called_every_24_hours(phone: Observation, reference: Observation) -> None:
    assert reference.renewal.attempts_before_success == 3
    if phone.renewal.attempts_before_success == 0:
        raise Inconclusive("the phone first called when the port was open again, so nothing shows what it does while it is not")
    assert phone.renewal.attempts_after_success == 0


@scenario(SEVEN_DAYS, slot=3, ca=[NEARLY_OVER, Reject("badRequest")])
@pytest.mark.requirement("RENEW-EXPIRED")
def test_what_becomes_of_a_certificate_that_expires(phone: Observation, characterise: Characterise) -> None:
    expiry = phone.renewal.validity.not_after
    attempts = sum(attempt[0].time > expiry for attempt in phone.renewal.attempts)
    characterise("expired.attempts", attempts, where=lambda seen: seen.enrolments[-1].where)


@scenario(passes(days=340), slot=2, ca=[Issue(days=100), Reject("badRequest"), Issue(days=100), Issue()])
@pytest.mark.requirement("RENEW-AGAIN")
def test_the_new_certificate_is_renewed_in_its_turn(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert phone.next_renewal.renewed
    assert reference.next_renewal.renewed


@scenario(*OVER_A_RESTART, slot=1, ca=[Reject("badRequest"), Issue()])
@pytest.mark.requirement("ENROL-FAILED")
def test_an_enrolment_that_failed(phone: Observation) -> None:
    assert phone.enrolments


@scenario(*OVER_A_RESTART, slot=2, ca=[Pend(1000)])
@pytest.mark.requirement("PENDING")
def test_a_request_that_stays_pending(phone: Observation) -> None:
    assert phone.enrolments


@scenario(*OVER_A_RESTART, slot=3, ca=[DUE, Reject("badRequest")])
@pytest.mark.requirement("RETRY-RESTART")
def test_a_restart_between_two_attempts(phone: Observation) -> None:
    assert phone.renewal.attempts
