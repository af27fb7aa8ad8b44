"""Renewal: when a phone begins it, with what, and how it goes on where it fails."""

from __future__ import annotations

import pytest

from hil_fixtures import Answer, HttpError, Issue, Observation, Reject, Reset, due_in, passes, scenario

WATCHED = passes(hours=2)
DAYS_OF_RETRIES = passes(hours=79)


@pytest.mark.parametrize(
    "percent",
    [
        pytest.param(percent, marks=scenario(WATCHED, ca=[due_in(percent, minutes=30), Issue()], MYCERTRENEW=str(percent)))
        for percent in (1, 50, 90, 99)
    ],
)
@pytest.mark.requirement("RENEW-DUE")
def test_renewal_begins_when_due(phone: Observation, reference: Observation, percent: int) -> None:
    assert phone.renewal.renewed, f"MYCERTRENEW {percent}"
    assert reference.renewal.renewed


@scenario(passes(hours=14), ca=[Issue(days=365, backdated=328), Issue()], MYCERTRENEW="90")
@pytest.mark.requirement("RENEW-DUE")
def test_the_worked_example_of_365_days_and_90_percent(phone: Observation) -> None:
    assert phone.renewal.renewed
    assert phone.renewal.days_left == pytest.approx(36.5, abs=0.2)


@scenario(WATCHED, ca=[due_in(90, minutes=30), Issue()])
@pytest.mark.requirement("RENEW-DEFAULT")
def test_renewal_percentage_default(phone: Observation) -> None:
    assert phone.renewal.renewed


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(value, marks=scenario(WATCHED, ca=[due_in(90, minutes=30), Issue()], MYCERTRENEW=value))
        for value in ("0", "100", "half")
    ],
)
@pytest.mark.requirement("RENEW-INVALID")
def test_invalid_renewal_percentage_is_ignored(phone: Observation, value: str) -> None:
    assert phone.renewal.renewed, f"MYCERTRENEW {value}"


SECOND = scenario(WATCHED, slot=2, ca=[due_in(40, minutes=30), Issue()], MYCERTRENEW="40")
THIRD = scenario(WATCHED, slot=3, ca=[due_in(70, minutes=30), Issue()], MYCERTRENEW="70")


@scenario(WATCHED, slot=1, ca=[due_in(10, minutes=30), Issue()], MYCERTRENEW="10", mates=[SECOND, THIRD])
@pytest.mark.requirement("RENEW-PROFILES")
def test_each_profile_renews_by_its_own_percentage(phone: Observation) -> None:
    assert [device.renewal.renewed for device in (phone, *phone.mates)] == [True, True, True]


@scenario(
    WATCHED,
    ca=[due_in(90, minutes=30), Issue()],
    MYCERTDN="/C=US/O=Example",
    MYCERTCN="renewed $MACADDR",
    MYCERTCAID="Lab CA",
    SCEPENCALG="1",
)
@pytest.mark.requirement("RENEW-PARAMETERS")
@pytest.mark.requirement("RENEW-HABITS")
def test_a_renewal_has_the_parameters_of_the_enrolment(phone: Observation) -> None:
    assert phone.renewal.renewed


@scenario(passes(hours=30), ca=[due_in(90, minutes=30), Issue()])
@pytest.mark.requirement("RENEW-ONCE")
def test_a_renewal_that_succeeded_is_not_repeated(phone: Observation) -> None:
    assert phone.renewal.renewed
    assert phone.renewal.attempts_after_success == 0


def failing(*answers: Answer) -> pytest.MarkDecorator:
    return scenario(DAYS_OF_RETRIES, ca=[due_in(90, minutes=180), *answers])


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param("HTTP 500", marks=failing(HttpError(500))),
        pytest.param("no answer", marks=failing(Reset("before"))),
        *[
            pytest.param(info, marks=failing(Reject(info)))
            for info in ("badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId")
        ],
    ],
)
@pytest.mark.requirement("RENEW-RETRY")
def test_a_renewal_that_failed_is_tried_every_24_hours(phone: Observation, reference: Observation, failure: str) -> None:
    assert len(phone.renewal.intervals) == len(reference.renewal.intervals) >= 3, failure


@failing(Reject("badRequest"), HttpError(503), Issue())
@pytest.mark.requirement("RENEW-RETRY")
def test_it_is_tried_no_more_once_it_succeeded(phone: Observation) -> None:
    assert phone.renewal.renewed
    assert len(phone.renewal.intervals) == 2
    assert phone.renewal.attempts_after_success == 0
