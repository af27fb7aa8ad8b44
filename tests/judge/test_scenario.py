"""Scenarios: a key that is the same in each run, a text without passwords, and what they ask of a phone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hil.scenario import ChangeSettings, Issue, PassTime, Pend, Reject, Restart, Scenario

FULL = Scenario(
    settings=(("MYCERTCN", "$SERIALNO at home"), ("SCEPPASSWORD", "swordfish")),
    common=(("FIPS_ENABLED", "0"),),
    slot=2,
    ca=(Pend(2), Issue(30.0, 3.0), Reject("badTime")),
    steps=(Restart(), ChangeSettings((("DELETE_SCEP_CERT", "1"),)), PassTime(60.0)),
    alone=True,
)


def test_a_key_is_the_same_in_every_process() -> None:
    program = "from hil.scenario import *; print(Scenario((('MYCERTKEYLEN', '4096'),), slot=1, steps=(Restart(),)).key)"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout.strip()
    assert elsewhere == Scenario((("MYCERTKEYLEN", "4096"),), slot=1, steps=(Restart(),)).key


def test_a_key_is_written_down_so_that_slots_stay() -> None:
    assert Scenario().key == "b730cb0f5d946315"


@pytest.mark.parametrize(
    "other",
    [
        Scenario((("MYCERTKEYLEN", "2048"),)),
        Scenario(common=(("MYCERTKEYLEN", "2048"),)),
        Scenario(slot=1),
        Scenario(ca=(Issue(364.0),)),
        Scenario(steps=(Restart(),)),
        Scenario(alone=True),
        Scenario(mates=(Scenario(slot=2),)),
    ],
)
def test_scenarios_that_differ_have_different_keys(other: Scenario) -> None:
    assert other.key != Scenario().key


def test_the_text_tells_everything_that_is_no_default() -> None:
    for word in (
        "MYCERTCN=$SERIALNO at home",
        "FIPS_ENABLED=0",
        "slot 2",
        "Pend(times=2)",
        "badTime",
        "then restart",
        "60 s pass",
    ):
        assert word in FULL.text
    assert "DELETE_SCEP_CERT=1" in FULL.text
    assert Scenario().text == "defaults"
    assert Scenario((("MYCERTURL", ""),)).text == 'MYCERTURL=""'


@pytest.mark.parametrize(
    "scenario",
    [
        FULL,
        Scenario((("SCEPPASSWORD", "$SERIALNO-swordfish"),)),
        Scenario(common=(("SNMPSTRING", "swordfish"),)),
        Scenario(steps=(ChangeSettings((("SCEPPASSWORD", "swordfish"),)),)),
        Scenario(mates=(Scenario((("SCEPPASSWORD", "swordfish"),), slot=2),)),
        Scenario(common=(("FORCE_WEB_ADMIN_PASSWORD", "swordfish"),)),
    ],
)
def test_no_password_stands_in_the_text(scenario: Scenario) -> None:
    assert "<secret>" in scenario.text
    assert "swordfish" not in scenario.text


@pytest.mark.parametrize(("value", "shown"), [("", 'SCEPPASSWORD=""'), ("$MACADDR", "SCEPPASSWORD=$MACADDR")])
def test_a_password_that_tells_nothing_is_shown(value: str, shown: str) -> None:
    assert Scenario((("SCEPPASSWORD", value),)).text == shown


@pytest.mark.parametrize(
    ("settings", "has_url", "enrols", "deletes"),
    [
        ((), True, True, False),
        ((("MYCERTURL", ""),), False, False, False),
        ((("MYCERTURL", "http://192.0.2.9/"),), True, True, False),
        ((("SCEPPASSWORD", ""),), True, False, False),
        ((("SCEPPASSWORD", "x"),), True, True, False),
        ((("DELETE_SCEP_CERT", "1"),), True, False, True),
        ((("DELETE_SCEP_CERT", "0"),), True, True, False),
    ],
)
def test_what_is_asked_of_a_phone(settings: tuple[tuple[str, str], ...], has_url: bool, enrols: bool, deletes: bool) -> None:
    scenario = Scenario(settings)
    assert (scenario.has_url, scenario.enrols, scenario.deletes) == (has_url, enrols, deletes)


def test_a_setting_is_read_by_its_name() -> None:
    assert FULL.setting("SCEPPASSWORD") == "swordfish"
    assert FULL.setting("MYCERTURL") is None
