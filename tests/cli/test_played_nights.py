"""A night that a verb plays: what it leaves is read, and one that was cut short is no night."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer

from hil.cli import night
from hil.cli.nights import nights
from hil.errors import LabFault, Misuse
from hil.judge.verdict import Verdict
from hil.report.record import Record, Run, Test, Testbed, point_latest

VIRTUAL = Path(__file__).parents[2] / "testbeds" / "virtual.yaml"
Leave = Callable[[int, "Record | None"], None]


@dataclass
class Process:
    """A night that has ended at once."""

    exit_code: int
    told_to_end: bool = False

    def wait(self) -> int:
        return self.exit_code

    def terminate(self) -> None:
        self.told_to_end = True


def record(*, interrupted: bool) -> Record:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    testbed = Testbed(name="virtual", file="virtual.yaml", kind="virtual", rate=1.0)
    run = Run(id="run", started=started, seconds=1.0, exit_text="", testbed=testbed, versions={}, interrupted=interrupted)
    verdicts = (Verdict.CONFORMS, Verdict.CHARACTERISED, Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE)
    tests = tuple(Test(id=verdict, name="test", phone="j179-1", verdict=verdict, seconds=0.0) for verdict in verdicts)
    return Record(run=run, phones=(), requirements=(), tests=tests, sittings=(), counts={})


@pytest.fixture
def leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Leave:
    """Has the suite end at once with an exit code, and leave a record or none."""

    def leave(exit_code: int, left: Record | None) -> None:
        def started(*_: object) -> Process:
            if left is not None:
                left.save(tmp_path / "run")
                point_latest(tmp_path / "run")
            return Process(exit_code)

        monkeypatch.setattr(night, "_start", started)

    return leave


def test_a_night_is_read_from_its_record(leaves: Leave, tmp_path: Path) -> None:
    leaves(12, record(interrupted=False))
    played = night.play(tmp_path / "bench.yaml", tmp_path)
    assert (played.exit_code, played.folder, played.judged) == (12, tmp_path / "run", 2)


def test_nights_on_a_bench_that_is_not_fit_end_as_the_suite_does(
    leaves: Leave, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for left in (None, record(interrupted=False)):
        leaves(10, left)
        with pytest.raises(typer.Exit) as ended:
            nights(1, VIRTUAL, report_dir=tmp_path)
        assert ended.value.exit_code == 10
        said = capsys.readouterr()
        assert "not fit" in said.out + said.err


@pytest.mark.parametrize("exit_code", [4, 5])
def test_words_that_choose_no_test_are_the_callers_to_change(leaves: Leave, tmp_path: Path, exit_code: int) -> None:
    leaves(exit_code, None)
    with pytest.raises(Misuse, match="no test was played by -k=nosuch; pytest says above why"):
        night.play(tmp_path / "bench.yaml", tmp_path, "-k=nosuch")


def test_nights_of_a_wrong_file_or_phone_are_not_begun(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        nights(1, tmp_path / "none.yaml", report_dir=tmp_path)
    with pytest.raises(Misuse, match="has no phone 'j179'; did you mean 'j179-1'"):
        nights(1, VIRTUAL, ["j179"], report_dir=tmp_path)


@pytest.mark.parametrize(("left", "said"), [(None, "left no record"), (record(interrupted=True), "was interrupted")])
def test_a_night_that_was_cut_short_is_a_fault(leaves: Leave, tmp_path: Path, left: Record | None, said: str) -> None:
    leaves(2, left)
    with pytest.raises(LabFault, match=said):
        night.play(tmp_path / "bench.yaml", tmp_path)


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[int]], list[tuple[Path, Process]]]:
    """Has nights end with these exit codes, in the order in which they begin; tells the reports' folder and process of each."""

    def play_row(exit_codes: Sequence[int]) -> list[tuple[Path, Process]]:
        begun: list[tuple[Path, Process]] = []

        def started(command: Sequence[str], *_: object) -> Process:
            reports, process = Path(command[command.index("--report-dir") + 1]), Process(exit_codes[len(begun)])
            run = reports / f"run-{len(begun)}"
            record(interrupted=False).save(run)
            point_latest(run)
            begun.append((reports, process))
            return process

        monkeypatch.setattr(night, "_start", started)
        return begun

    return play_row


def test_nights_beside_each_other_are_counted_as_one_row(row: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = row([0] * 5)
    nights(5, VIRTUAL, report_dir=tmp_path, at_once=2)
    assert capsys.readouterr().out.splitlines() == [f"night {ordinal} of 5 clean, 2 judged" for ordinal in range(1, 6)]
    one, other = tmp_path / "bench-1", tmp_path / "bench-2"
    assert [reports for reports, _ in begun] == [one, other, one, other, one]
    assert sorted(folder.name for folder in tmp_path.glob("*/run-*")) == ["run-3", "run-4"], "the last of each is kept"


def test_the_first_night_that_is_not_clean_ends_those_beside_it(
    row: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = row([0, 12, 0, 0])
    with pytest.raises(typer.Exit) as ended:
        nights(9, VIRTUAL, report_dir=tmp_path, at_once=3)
    assert ended.value.exit_code == 1
    assert [process.told_to_end for _, process in begun] == [False, False, True, True]
    assert "night 2 of 9 is not clean: exit 12" in capsys.readouterr().out
    assert (tmp_path / "bench-2" / "run-1").is_dir()


def test_a_bench_of_real_phones_is_there_once(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"--at-once: a bench of real phones is there once"):
        nights(2, VIRTUAL.parent / "example-snmp.yaml", report_dir=tmp_path, at_once=2)
