"""Renewal: when a phone begins it, with what, and how it goes on where it fails."""

from __future__ import annotations

import pytest

from hil_fixtures import HttpError, Issue, Observation, Reject, due_in, passes, scenario

THREE_DAYS = passes(hours=79)


@scenario(
    THREE_DAYS,
    ca=[due_in(50, minutes=180), Issue()],
    MYCERTRENEW="50",
    MYCERTDN="/C=US/O=Example",
    MYCERTCN="renewed $MACADDR",
    MYCERTCAID="Lab CA",
    SCEPENCALG="1",
)
@pytest.mark.requirement("RENEW-DUE")
@pytest.mark.requirement("RENEW-PARAMETERS")
@pytest.mark.requirement("RENEW-ONCE")
@pytest.mark.requirement("RENEW-HABITS")
def test_renewal_begins_when_due_and_once(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed
    assert phone.renewal.attempts_after_success == 0


@scenario(THREE_DAYS, ca=[due_in(90, minutes=180), Reject("badRequest")])
@pytest.mark.requirement("RENEW-RETRY")
def test_a_renewal_that_failed_is_tried_every_24_hours(phone: Observation, reference: Observation) -> None:
    assert len(phone.renewal.intervals) == len(reference.renewal.intervals) == 3


@scenario(THREE_DAYS, ca=[due_in(90, minutes=180), HttpError(500), HttpError(503), Issue()])
@pytest.mark.requirement("RENEW-RETRY")
def test_it_is_tried_no_more_once_it_succeeded(phone: Observation) -> None:
    assert phone.renewal.renewed
    assert len(phone.renewal.intervals) == 2
    assert phone.renewal.attempts_after_success == 0
