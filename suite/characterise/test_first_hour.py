"""What a phone does where no document says: nothing here can fail, only be seen or not."""

from __future__ import annotations

from typing import get_args

import pytest

from hil.scenario import FailInfo
from hil_fixtures import (
    ByHand,
    Characterise,
    Issue,
    Measure,
    Observation,
    Pend,
    Reject,
    due_in,
    passes,
    restart,
    scenario,
)

PLAIN = scenario(restart(), slot=1)
LONG_KEY = scenario(restart(), slot=2, MYCERTKEYLEN="4096")
NAMED = scenario(restart(), slot=3, MYCERTDN="/C=US/O=Example")

WATCHED = (passes(minutes=15), restart())
"""A quarter of an hour for whoever tries again by itself, and a restart for whoever does then."""


@PLAIN
@pytest.mark.requirement("BOOT")
@pytest.mark.requirement("FILES")
@pytest.mark.requirement("WIRE")
def test_first_requests(phone: Observation, characterise: Characterise) -> None:
    characterise("ca.operations", [seen.exchange.operation for seen in phone.seen if seen.boot == phone.enrolments[0].boot])


@pytest.mark.parametrize("bits", [pytest.param("2048", marks=PLAIN), pytest.param("4096", marks=LONG_KEY)])
@pytest.mark.requirement("KEY")
def test_key(phone: Observation, bits: str) -> None:
    assert phone.enrolments, bits


@PLAIN
@pytest.mark.requirement("ORDER")
def test_order(phone: Observation) -> None:
    assert phone.profile_order


@NAMED
@pytest.mark.requirement("SUBJECT")
def test_subject(phone: Observation) -> None:
    assert phone.csr.cn_position


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(fail_info, marks=scenario(*WATCHED, slot=2 + number % 2, ca=[Reject(fail_info)]))
        for number, fail_info in enumerate(get_args(FailInfo))
    ],
)
@pytest.mark.requirement("REFUSED")
def test_refused(phone: Observation, answer: str) -> None:
    assert phone.ungranted.asked_again, answer


@scenario(*WATCHED, slot=3, ca=[Pend(1000)])
@pytest.mark.requirement("PENDING")
def test_pending(phone: Observation) -> None:
    assert phone.enrolments


VALIDITIES = {"from tomorrow": Issue(backdated=-1), "beyond 2038": Issue(20 * 365), "beyond 2050": Issue(40 * 365)}


@pytest.mark.parametrize(
    "validity", [pytest.param(name, marks=scenario(*WATCHED, slot=1, ca=[issue])) for name, issue in VALIDITIES.items()]
)
@pytest.mark.requirement("VALIDITY")
def test_validity(phone: Observation, validity: str) -> None:
    assert phone.enrolments, validity


@pytest.mark.parametrize("_time", [pytest.param("no time", marks=scenario(slot=1, SNTPSRVR="192.0.2.254"))])
@pytest.mark.requirement("NO-TIME")
def test_no_time(phone: Observation, _time: str, characterise: Characterise) -> None:
    characterise("requests", len(phone.enrolments))


@scenario(passes(hours=1), slot=1, ca=[due_in(50, minutes=10), Issue()], MYCERTRENEW="50")
@pytest.mark.requirement("RENEWAL")
def test_renewal(phone: Observation) -> None:
    assert phone.renewal.renewed


@scenario(
    passes(hours=6),
    restart(),
    passes(hours=26),
    slot=1,
    ca=[due_in(50, minutes=10), Reject("badRequest")],
    MYCERTRENEW="50",
)
@pytest.mark.requirement("RETRY-RESTART")
def test_restart_between_attempts(phone: Observation) -> None:
    assert phone.renewal.hours_over_restart


@pytest.mark.requirement("STORING")
def test_storing(device: ByHand, measure: Measure) -> None:
    measure.storing(device)
