"""The verb around the night: what it asks of pytest, what it prints, and how it ends. The night itself is a stand-in here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hil.cli import characterise
from hil.cli.main import app
from hil.cli.night import SUITE, Night
from hil.judge.behaviour import Behaviour
from hil.judge.verdict import Verdict
from hil.report.record import Finding, InCapture, Phone, Record, Run, Test, Testbed

ROOT = Path(__file__).resolve().parents[2]
VIRTUAL, REAL = ROOT / "testbeds" / "virtual.yaml", ROOT / "testbeds" / "example-snmp.yaml"
AT = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "j179-1"


def record(method: str) -> Record:
    seen = InCapture(file=f"evidence/{NAME}/s01/boot-2.pcapng", frame=9, time=AT)
    found = Finding(
        fact="request.http_method", phone=method, phone_seen=seen, rule="", source="baseline", verdict=Verdict.CHARACTERISED
    )
    test = Test(
        id="t", name="test_wire", phone=NAME, requirements=(), verdict=Verdict.CHARACTERISED, seconds=0.0, findings=(found,)
    )
    bench = Testbed(name="lab", file="lab.yaml", kind="virtual", rate=1.0)
    run = Run(id="a-run", started=AT, seconds=1.0, exit_text="", testbed=bench, versions={})
    phone = Phone(name=NAME, model="J179", mac="c8:1f:ea:83:e8:5a", serial="19WZ1234567A", firmware="4.1")
    return Record(run=run, phones=(phone,), requirements=(), tests=(test,), sittings=(), counts={Verdict.CHARACTERISED: 1})


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Result, list[Any]]]:
    def played(*words: str, testbed: Path = VIRTUAL, method: str = "POST", code: int = 0) -> tuple[Result, list[Any]]:
        asked: list[Any] = []

        def play(*given: Any, suite: Path) -> Night:
            asked.extend([*given, suite])
            return Night(code, tmp_path, record(method))

        monkeypatch.setattr(characterise, "play", play)
        result = CliRunner().invoke(app, ["characterise", "--phone", NAME, "--testbed", str(testbed), *words])
        return result, asked

    return played


def test_it_plays_the_tests_that_judge_nothing_on_that_phone(night: Any) -> None:
    result, asked = night()
    assert (result.exit_code, asked[-1]) == (0, SUITE / "characterise")
    assert f"--phone={NAME}" in asked
    assert "--longest" not in asked
    assert "request.http_method" in result.output


def test_a_real_bench_leaves_out_what_is_long_and_says_so(night: Any) -> None:
    result, asked = night(testbed=REAL)
    assert ("--longest" in asked, "--long plays it" in result.output) == (False, True)
    result, asked = night("--long", testbed=REAL)
    assert ("--longest" in asked, "--long plays it" in result.output) == (True, False)


def test_a_phone_unlike_the_file_ends_with_1(night: Any, tmp_path: Path) -> None:
    night()
    before = (tmp_path / f"behaviour-{NAME}.yaml").rename(tmp_path / "before.yaml")
    assert night("--compare", str(before))[0].exit_code == 0
    result, _ = night("--compare", str(before), method="GET")
    assert result.exit_code == 1
    assert "differs" in result.output
    assert "POST" in result.output


def test_what_the_bench_could_not_do_ends_as_the_suite_does(night: Any) -> None:
    assert night(code=11)[0].exit_code == 11


def test_json_is_the_behaviour(night: Any, tmp_path: Path) -> None:
    result, _ = night("--json")
    assert Behaviour.model_validate(json.loads(result.stdout)) == Behaviour.load(tmp_path / f"behaviour-{NAME}.yaml")
