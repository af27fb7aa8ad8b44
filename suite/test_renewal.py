"""Renewal: when a phone begins it, by which percentage and which time, and with what."""

from __future__ import annotations

import pytest

from hil_fixtures import Characterise, Issue, Observation, due_in, passes, scenario

THREE_DAYS = passes(hours=79)
"""More than two days longer than until the renewal: no document says how often a phone looks what is due."""
NEARLY_A_YEAR = passes(days=340)

HALF = scenario(THREE_DAYS, slot=2, ca=[due_in(50, minutes=180), Issue()], MYCERTRENEW="50")
LAST = scenario(THREE_DAYS, slot=3, ca=[due_in(99, minutes=180), Issue()], MYCERTRENEW="99")


@scenario(
    THREE_DAYS,
    slot=1,
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
def test_renewal_begins_when_due_and_once(phone: Observation, reference: Observation, characterise: Characterise) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed
    assert phone.renewal.attempts_after_success == 0
    late, expected = (seen.renewal.hours_after(50) for seen in (phone, reference))
    characterise("renewal.hours_late", late, expected, where=lambda seen: seen.renewal.where)


@scenario(THREE_DAYS, slot=1, ca=[due_in(1, minutes=180), Issue()], MYCERTRENEW="1", mates=[HALF, LAST])
@pytest.mark.requirement("RENEW-DUE")
@pytest.mark.requirement("RENEW-PROFILES")
def test_each_profile_renews_by_its_own_percentage(phone: Observation, reference: Observation) -> None:
    for seen, due in zip((phone, *phone.mates), (reference, *reference.mates), strict=True):
        assert seen.renewal.renewed == due.renewal.renewed is True


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("100", marks=scenario(THREE_DAYS, slot=2, ca=[due_in(90, minutes=180), Issue()], MYCERTRENEW="100")),
        pytest.param("0", marks=scenario(THREE_DAYS, slot=3, ca=[due_in(90, minutes=180), Issue()], MYCERTRENEW="0")),
        pytest.param("ninety", marks=scenario(NEARLY_A_YEAR, slot=3, ca=[Issue(), Issue()], MYCERTRENEW="ninety")),
    ],
)
@pytest.mark.requirement("RENEW-INVALID")
def test_a_percentage_out_of_range_is_ignored(phone: Observation, reference: Observation, value: str) -> None:
    assert phone.renewal.renewed, value
    assert reference.renewal.renewed


@scenario(NEARLY_A_YEAR, slot=1, ca=[Issue(days=365), Issue()], MYCERTRENEW="90")
@pytest.mark.requirement("RENEW-DUE")
def test_a_year_is_renewed_36_days_and_a_half_before_its_end(phone: Observation, reference: Observation) -> None:
    assert reference.renewal.days_left == pytest.approx(36.5, abs=0.01)
    assert phone.renewal.renewed
    assert phone.renewal.days_left <= 36.51


@scenario(
    THREE_DAYS, ca=[due_in(90, minutes=1440), Issue()], GMTOFFSET="13:00", DSTOFFSET="2", DSTSTART="1Jan0L", DSTSTOP="31Dec23L"
)
@pytest.mark.requirement("RENEW-ZONE")
def test_no_hour_earlier_in_the_far_east_in_summer(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed


@scenario(THREE_DAYS, ca=[due_in(90, minutes=1440), Issue()], GMTOFFSET="-11:00", DSTOFFSET="0")
@pytest.mark.requirement("RENEW-ZONE")
def test_no_hour_earlier_in_the_far_west(phone: Observation, reference: Observation) -> None:
    assert phone.renewal.renewed
    assert reference.renewal.renewed
