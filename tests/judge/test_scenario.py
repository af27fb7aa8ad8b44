"""Scenarios: a key that is the same in each run, a text without passwords, and what they ask of a phone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from hil.cli.answers import read_answer
from hil.scenario import (
    Answer,
    ChangeSettings,
    Drip,
    EntityNew,
    Forge,
    Garbage,
    HttpError,
    Issue,
    PassTime,
    Pend,
    Redirect,
    Refuse,
    Reject,
    Reset,
    Restart,
    Scenario,
    Silence,
    Truncate,
    WrongLength,
    layers,
    on_the_wire,
)

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
    assert FULL.key == "882161e61fd96ff2"


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
        Scenario(persona="ndes"),
        Scenario(steps=(EntityNew(),)),
        Scenario(steps=(Refuse(),)),
    ],
)
def test_scenarios_that_differ_have_different_keys(other: Scenario) -> None:
    assert other.key != Scenario().key


SCRIPTED: tuple[Answer, ...] = (
    Issue(),
    Issue(chain="absent"),
    Issue(chain="leaf last"),
    Forge("recipientNonce"),
    Forge("transactionID"),
    Forge("transactionID", of=Pend()),
    HttpError(),
    HttpError(503),
    Redirect(),
    Silence(),
    Garbage(),
    Reset(),
    Reset("after"),
    Reset("after", of=Reject()),
    Truncate(),
    Truncate(0),
    WrongLength(),
    Drip(),
    Drip(of=Reset()),
)


def test_scripts_that_differ_have_different_keys() -> None:
    assert len({Scenario(ca=(answer,)).key for answer in SCRIPTED}) == len(SCRIPTED)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Reset(), "Reset()"),
        (Truncate(0), "Truncate(octets=0)"),
        (Drip(16, of=Forge("signer", of=Pend(3))), "Drip(octets=16, of=Forge(lie='signer', of=Pend(times=3)))"),
        (Issue(30.0, chain="leaf last"), "Issue(days=30.0, backdated=0.0, chain='leaf last')"),
    ],
)
def test_a_script_is_told_without_its_defaults(answer: Answer, text: str) -> None:
    assert Scenario(ca=(answer, Issue())).text == text
    assert eval(text) == answer


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Reject("badTyme"), "failInfo is 'badTyme'; one of 'badAlg'"),
        (lambda: Issue(chain="backwards"), "chain"),
        (lambda: Forge("nonce"), "forgery is 'nonce'"),
        (lambda: Forge("certificate", of=Pend()), "Issue alone"),
        (lambda: Forge("recipientNonce", of=Forge("certificate", of=Reject())), "Issue alone"),
        (lambda: HttpError(200), "between 400 and 599"),
        (lambda: Redirect(status=200), "between 300 and 399"),
        (lambda: Redirect("http://lab/\r\nX: y"), "printable ASCII"),
        (lambda: Reset("later"), "when is 'later'"),
        (lambda: Drip(0), "octets at a time"),
        (lambda: Drip(every=-1.0), "every"),
        (lambda: Truncate(-1), "octets of the body"),
        (lambda: Silence(float("inf")), "span"),
        (lambda: Garbage(-1), "garbage"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_where_it_is_written(make: Callable[[], Answer], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        make()


def test_an_answer_is_taken_apart_from_outside_in() -> None:
    inner = Forge("signer", of=Pend())
    assert layers(Drip(of=Reset(of=inner))) == (Drip(of=Reset(of=inner)), Reset(of=inner), inner, Pend())
    assert [on_the_wire(answer) for answer in (inner, Issue(), Reset(of=inner), HttpError())] == [False, False, True, True]


def test_a_server_that_refuses_has_a_port_of_its_own() -> None:
    closes = Scenario(steps=(Refuse(), PassTime(60.0), Refuse(False)))
    assert closes.has_own_port
    assert not FULL.has_own_port
    assert closes.text == "then the server's port refuses then 60 s pass then the server's port listens"


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


@pytest.mark.parametrize(
    "answer",
    [
        Issue(),
        Issue(30, -2.5, "leaf last"),
        Pend(3),
        Reject("badTime"),
        Forge("signer", of=Forge("recipientNonce", of=Pend(2))),
        HttpError(503, 'it\'s "busy"\n'),
        Redirect("http://192.0.2.9/scep", status=307),
        Silence(12.5),
        Garbage(5),
        Drip(64, every=0.5, of=Reset("during", of=Truncate(7, of=WrongLength(-5, of=Silence())))),
        Truncate(None),
    ],
    ids=repr,
)
def test_an_answer_is_read_as_it_is_shown(answer: Answer) -> None:
    assert read_answer(repr(answer)) == answer


def test_an_answer_is_read_as_a_test_would_spell_it() -> None:
    text = " Drip(64, of=Reset('during', of=HttpError(503)))\n"
    assert read_answer(text) == Drip(64, of=Reset("during", of=HttpError(503)))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no answer: invalid syntax"),
        ("HttpError(", "never closed"),
        ("503", "is no answer; write for example"),
        ("Issue", "neither an answer"),
        ("Isue()", "there is no answer Isue; there are Drip, Forge"),
        ("Restart()", "there is no answer Restart"),
        ("HttpError(200)", "between 400 and 599"),
        ("HttpError('503')", "HttpError: status cannot be '503'"),
        ("HttpError(True)", "HttpError: status cannot be True"),
        ("HttpError(status=503, status=504)", "named once"),
        ("HttpError(**{'status': 503})", "named once"),
        ("HttpError(*[503])", "neither an answer"),
        ("HttpError(code=503)", "unexpected keyword argument 'code'"),
        ("Reject('badDay')", "Reject: fail_info cannot be 'badDay'"),
        ("Reset(of=3)", "Reset: of cannot be 3"),
        ("Forge('signer', of=Reset())", "Forge: of cannot be Reset()"),
        ("Forge('certificate', of=Reject())", "of Issue alone"),
        ("Silence(float('nan'))", "there is no answer float"),
        ("__import__('os').abort()", "neither an answer"),
        ("HttpError(text=open('/etc/passwd').read())", "neither an answer"),
        ("Pend(1 if 1 else 2)", "neither an answer"),
        ("Silence(1e999)", "between 0 and 86400"),
        ("(" * 400 + "1" + ")" * 400, "is no answer"),
        ("-" * 900 + "1", "is no answer"),
        ("Issue(" + " " * 1000 + ")", "at most 1000"),
        ("Issue()\0", "is no answer"),
    ],
)
def test_what_is_no_answer_is_not_run_and_says_what_would_be(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        read_answer(text)
