from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hil.judge.findings import applicable
from hil.judge.port import PortFacts, attempts
from hil.judge.rules import RULES, Told
from hil.judge.sitting import Sitting
from hil.judge.verdict import Inconclusive, NotObserved
from hil.scenario import Restart, Scenario
from hil.settings.usage import read_usage

Make = Callable[..., Sitting]

AT = "2026-03-01T08:00:00Z"


def handshake(device: str = "j179-1", service: str = "8021X", name: str = "tls handshake", **told: str) -> Mapping[str, Any]:
    return {"name": name, "device": device, "at": AT, "details": {"service": service, "identity": "c81fea83e85a", **told}}


def facts(*events: Mapping[str, Any], asked: tuple[int, ...] = (3,)) -> PortFacts:
    return PortFacts("j179-1", asked, tuple(attempts(events, "j179-1", boot=3, log="boot-3.events.jsonl")))


def test_a_port_is_open_once_the_server_has_let_the_device_through() -> None:
    refused = handshake(failure="unable to get local issuer certificate")
    opened = facts(handshake(name="dhcp lease"), refused, handshake())
    assert opened.opened
    assert opened.where.line == 2, "the first attempt, by the number of its line"
    assert not facts(refused).opened


@pytest.mark.parametrize("other", [handshake("j179-2"), handshake("j179-1.reference"), handshake(service="SIP")])
def test_what_others_do_opens_no_port(other: Mapping[str, Any]) -> None:
    shut = facts(other)
    assert not shut.opened
    with pytest.raises(NotObserved, match="spoke no EAP-TLS"):
        shut.identity  # noqa: B018  reading it is what raises


def test_every_boot_that_asks_must_be_opened() -> None:
    assert not facts(handshake(), asked=(3, 4)).opened


def test_a_port_that_never_asked_shows_nothing() -> None:
    with pytest.raises(Inconclusive, match="never asked"):
        facts(handshake(), asked=()).opened  # noqa: B018  reading it is what raises


def test_a_device_that_changes_its_name_has_both() -> None:
    assert facts(handshake(), handshake(identity="other")).identity == "c81fea83e85a, other"


@pytest.mark.parametrize(("usage", "due"), [("All", True), ("SIP", False), ("8021X", False)])
def test_opening_is_due_where_the_documents_give_the_port_a_certificate(usage: str, due: bool) -> None:
    rule = RULES["port.opened"]
    assert rule.expected is not None
    expected = rule.expected(Told(Scenario(), None, {1: read_usage(usage)}))
    assert expected is due
    assert rule.holds(True, expected)
    assert rule.holds(False, expected) is not due


@pytest.mark.parametrize("service", ["8021X", "SIP"])
def test_facts_of_a_port_are_for_scenarios_at_one(service: str, sitting: Make) -> None:
    scenario = Scenario(slot=1, services=(service,), steps=(Restart(),))
    shown = set(applicable(sitting(scenario).told("j179-1", 1, scenario), restarts=True))
    assert ({"port.opened", "port.identity"} <= shown) is (service == "8021X")
    assert ("enrolments_after_restart" in shown) is (service != "8021X")
