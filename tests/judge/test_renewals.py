"""Renewals as they are read from exchanges: attempts and their intervals, and how the request is like the enrolment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.capture.exchange import REFUSED
from hil.judge.findings import sight
from hil.judge.renewals import RenewalFacts, Validity
from hil.judge.rules import RULES, Told
from hil.judge.verdict import NotObserved
from hil.scenario import Scenario
from hil.scep.authority import self_signed
from hil.scep.csr import Csr, build_csr, read_csr
from hil.scep.messages import MessageType, PkiStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = Validity(START, START + timedelta(days=365))
OLD, NEW = (rsa.generate_private_key(65537, 2048) for _ in range(2))


def csr(key: rsa.RSAPrivateKey = NEW, name: str = "phone", challenge: Any = None) -> Csr:
    return read_csr(build_csr(key, (("O", "Lab"), ("CN", name)), challenge_password=challenge))


def certificate(key: rsa.RSAPrivateKey, *, own: bool = False) -> Any:
    made = self_signed(csr(key).subject_der, key, START)
    return made if own else SimpleNamespace(self_signed=False, public_key_der=made.public_key_der)


ENROLMENT: Any = SimpleNamespace(csr=csr(OLD), content_cipher="aes-256-cbc")


def message(**changes: Any) -> Any:
    told = {"message_type": MessageType.RenewalReq, "csr": csr(), "signer": certificate(OLD), "content_cipher": "aes-256-cbc"}
    return SimpleNamespace(**{**told, **changes})


def seen(hours: float, request: Any = None, status: PkiStatus | None = None, boot: int = 2, **asked: Any) -> Any:
    told = {"operation": "PKIOperation", "reply_frame": 2, "certificates": None, "capabilities": None, **asked}
    told["status"] = told.pop("http", 200)
    reply = SimpleNamespace(status=status) if status is not None else None
    exchange = SimpleNamespace(request=request, reply=reply, **told)
    time, lived = START + timedelta(days=182.5, hours=hours), 3600.0 * (1000 + hours)
    return SimpleNamespace(time=time, since_power_on=lived, exchange=exchange, where=None, boot=boot)


def asked_ca(hours: float, identifier: str | None = "Lab CA", operation: str = "GetCACert", **how: Any) -> Any:
    told = {"certificates": ("a CA's",), "ca_identifier": identifier, **how}
    return seen(hours, operation=operation, **told)


def facts(*exchanges: Any) -> RenewalFacts:
    return RenewalFacts("j179-1", YEAR, ENROLMENT, lambda: "Lab CA", exchanges)


def verdict(fact: str, renewal: RenewalFacts, percent: int = 50) -> bool:
    rule = RULES[fact]
    assert rule.expected is not None
    profile: Any = SimpleNamespace(renew_percent=percent)
    value = sight(SimpleNamespace(renewal=renewal), fact).value  # type: ignore[arg-type]
    return rule.holds(value, rule.expected(Told(Scenario(), profile)))


def test_requests_of_half_an_hour_are_one_attempt() -> None:
    renewal = facts(seen(0), seen(0.1, message()), seen(0.3), seen(24.1), seen(24.2, message()), seen(48.3))
    assert len(renewal.attempts) == 3
    assert renewal.intervals == (24.1, 24.2)
    assert not renewal.renewed
    with pytest.raises(NotObserved, match="no renewal succeeded"):
        renewal.attempts_after_success  # noqa: B018


@pytest.mark.parametrize(
    ("hours", "holds"),
    [((0, 24, 48), True), ((0, 24.9, 60), True), ((0, 23, 47), False), ((0, 1, 2), False), ((0, 48), False), ((0,), False)],
)
def test_attempts_are_24_hours_apart_and_none_is_missing(hours: tuple[float, ...], holds: bool) -> None:
    assert verdict("renewal.intervals", facts(*map(seen, hours))) is holds


@pytest.mark.parametrize(("hours", "holds"), [(0.0, True), (-0.05, True), (-1.0, False), (500.0, True)])
def test_a_renewal_may_be_late_and_not_early(hours: float, holds: bool) -> None:
    assert verdict("renewal.validity_passed", facts(seen(hours))) is holds


def test_days_left_at_the_first_request() -> None:
    assert facts(seen(12)).days_left == pytest.approx(182.0)


def test_hours_from_the_instant_at_which_it_was_due() -> None:
    assert facts(seen(12)).hours_after(50) == 12.0
    assert facts(seen(-1)).hours_after(50) == -1.0


def test_what_follows_success_is_no_interval() -> None:
    renewal = facts(seen(0, message()), seen(24, message(), PkiStatus.SUCCESS), seen(240, message()))
    assert renewal.intervals == (24.0,)


def test_a_restart_parts_attempts_however_near_they_are() -> None:
    renewal = facts(seen(0, message()), seen(0.2, message(), boot=3), seen(24.2, message(), boot=3))
    assert len(renewal.attempts) == 3
    assert renewal.hours_over_restart == 0.2
    with pytest.raises(NotObserved, match="both sides of a restart"):
        facts(seen(0), seen(24)).hours_over_restart  # noqa: B018


def test_the_name_that_another_certificate_is_asked_for() -> None:
    renewal = facts(seen(0, message(csr=csr(name="renamed"))))
    assert renewal.subject == (("O", "Lab"), ("CN", "renamed"))
    assert not renewal.same_subject


def test_the_attempt_that_succeeds_and_those_after_it() -> None:
    renewal = facts(seen(0, message()), seen(24, message(), PkiStatus.SUCCESS), seen(48, message()))
    assert renewal.renewed
    assert renewal.attempts_after_success == 1
    assert not verdict("renewal.attempts_after_success", renewal)


@pytest.mark.parametrize(
    ("change", "fact", "value"),
    [
        ({}, "signer", "the old certificate"),
        ({"signer": certificate(NEW, own=True)}, "signer", "a self-signed certificate"),
        ({"signer": certificate(NEW)}, "signer", "another certificate"),
        ({}, "message_type", "RenewalReq"),
        ({"message_type": MessageType.PKCSReq}, "message_type", "PKCSReq"),
        ({}, "key_is_new", True),
        ({"csr": csr(OLD)}, "key_is_new", False),
        ({}, "challenges", False),
        ({}, "same_subject", True),
        ({"csr": csr(name="another")}, "same_subject", False),
        ({}, "same_key_bits", True),
        ({"csr": csr(rsa.generate_private_key(65537, 1024))}, "same_key_bits", False),
        ({}, "same_cipher", True),
        ({"content_cipher": "des-cbc"}, "same_cipher", False),
    ],
)
def test_how_a_renewal_is_asked_for(change: dict[str, Any], fact: str, value: object) -> None:
    renewal = facts(seen(0), seen(0.1, message(**change)))
    assert getattr(renewal, fact) == value
    assert sight(SimpleNamespace(renewal=renewal), f"renewal.{fact}").value == value  # type: ignore[arg-type]


def test_the_ca_is_asked_for_by_the_same_name_or_not_at_all() -> None:
    assert facts(seen(0)).same_ca_identifier
    assert facts(asked_ca(0), seen(0)).same_ca_identifier
    assert not facts(asked_ca(0, "CAIdentifier"), seen(0)).same_ca_identifier
    assert facts(asked_ca(0, "", "GetCACaps"), asked_ca(0), seen(0)).same_ca_identifier, "operations have names of their own"


def test_a_name_that_the_ca_was_never_asked_for_by_is_needed_for_nothing_else() -> None:
    def unseen() -> str:
        raise NotObserved("no GetCACert")

    renewal = RenewalFacts("j179-1", YEAR, ENROLMENT, unseen, [seen(0, message(), PkiStatus.SUCCESS)])
    assert renewal.renewed
    assert renewal.same_ca_identifier


@pytest.mark.parametrize(
    "harmless",
    [
        asked_ca(-500),
        asked_ca(-500, "", "GetCACaps", certificates=None, capabilities=()),
        asked_ca(-500, "", "GetCACaps", http=404, certificates=None),
        asked_ca(-500, "", "GetNextCACert", http=404, certificates=None),
    ],
    ids=["GetCACert", "GetCACaps", "GetCACaps that the CA does not know", "GetNextCACert without one"],
)
def test_who_looks_at_the_ca_asks_for_no_certificate(harmless: Any) -> None:
    renewal = facts(harmless, asked_ca(-0.25), seen(0, message(), PkiStatus.SUCCESS), asked_ca(24), asked_ca(48))
    assert verdict("renewal.validity_passed", renewal)
    assert renewal.attempts_before_success == renewal.attempts_after_success == 0


@pytest.mark.parametrize(
    "attempt",
    [
        asked_ca(0, reply_frame=None, http=None, certificates=None),
        asked_ca(0, http=404, certificates=None),
        asked_ca(0, certificates=None),
        asked_ca(0, "", "GetCACaps", reply_frame=None, http=None),
        asked_ca(0, "", "GetCACaps", http=503),
        seen(0, operation=REFUSED, reply_frame=None),
        seen(0, reply_frame=None),
    ],
    ids=["no answer", "refusal", "noise", "no capabilities", "a server in trouble", "closed port", "no answer to the request"],
)
def test_who_cannot_get_as_far_as_a_request_has_tried(attempt: Any) -> None:
    renewal = facts(attempt, seen(24, message(), PkiStatus.SUCCESS))
    assert renewal.intervals == (24.0,)
    assert renewal.attempts_before_success == 1


def test_a_time_that_is_told_meanwhile_parts_no_attempt() -> None:
    corrected = seen(0.1, message())
    corrected.time += timedelta(days=30)
    assert len(facts(seen(0, message()), corrected).attempts) == 1


def test_what_a_capture_lacks_is_not_observed() -> None:
    for fact in ("validity_passed", "days_left", "message_type", "signer", "where"):
        with pytest.raises(NotObserved):
            getattr(facts(), fact)
    with pytest.raises(NotObserved, match="a CSR cannot be read"):
        replace(facts(seen(0, message(csr=None)))).key_is_new  # noqa: B018
