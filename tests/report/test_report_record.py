"""The record: written whole, read strictly, and wrong only with file and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hil.errors import Misuse
from hil.judge.verdict import Verdict
from hil.report.junit import properties
from hil.report.record import InLog, Record, point_latest
from hil.report.verdicts import LETTERS, WORST_FIRST, count

Write = Callable[[Record], Path]


def test_a_record_reads_back_as_it_was_written(bad_night: Record, tmp_path: Path) -> None:
    bad_night.save(tmp_path)
    assert Record.load(tmp_path) == bad_night


def test_saving_leaves_no_draft_and_replaces_the_former_record(good_night: Record, bad_night: Record, tmp_path: Path) -> None:
    good_night.save(tmp_path)
    bad_night.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["record.json"]
    assert Record.load(tmp_path) == bad_night


def test_the_json_has_the_documented_shape(bad_night: Record, tmp_path: Path) -> None:
    written = json.loads(bad_night.save(tmp_path).read_text())
    assert written["run"]["started"] == "2026-11-23T15:00:00Z"
    assert written["counts"] == {"deviates": 1, "inconclusive": 2, "conforms": 38, "not applicable": 1}
    finding = written["tests"][17]["findings"][0]
    assert finding["phone_seen"] == {
        "file": "evidence/j179-1/s02/boot-2.pcapng",
        "frame": 44,
        "time": "2026-11-23T15:00:44Z",
    }
    assert (finding["phone"], finding["reference"], finding["verdict"]) == (2048, 4096, "deviates")


def _broken(change: Callable[[Any], object], record: Record, run_dir: Path) -> Misuse:
    path = record.save(run_dir)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(Misuse) as caught:
        Record.load(run_dir)
    assert caught.value.file == str(path)
    return caught.value


def _set(*keys: str | int, value: object) -> Callable[[Any], object]:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (_set("format", value=2), "format"),
        (_set("tests", 3, "verdict", value="fine"), "tests.3.verdict"),
        (_set("run", "started", value="2026-11-23T15:00:00"), "run.started"),
        (_set("run", "seconds", value="161"), "run.seconds"),
        (_set("phones", 0, "colour", value="grey"), "phones.0.colour"),
        (_set("sittings", 0, "boots", 0, "capture", value="../../etc/passwd"), "sittings.0.boots.0.capture"),
        (_set("sittings", 0, "boots", 0, "capture", value="/etc/passwd"), "sittings.0.boots.0.capture"),
        (_set("run", "replay_of", value="../elsewhere"), "run.replay_of"),
        (lambda content: content["tests"][0].pop("phone"), "tests.0.phone"),
    ],
)
def test_a_broken_record_is_told_by_file_and_key(
    change: Callable[[Any], object], key: str, good_night: Record, tmp_path: Path
) -> None:
    assert _broken(change, good_night, tmp_path).key == key


def test_a_record_that_was_cut_is_told_as_such(good_night: Record, tmp_path: Path) -> None:
    path = good_night.save(tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(Misuse, match=r"record\.json: Invalid JSON: .*; the file was cut"):
        Record.load(tmp_path)


def test_a_folder_without_a_record_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"record\.json: cannot be read: No such file or directory; give the folder of a run"):
        Record.load(tmp_path)


def test_a_path_out_of_the_run_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValidationError, match="inside the run's folder"):
        InLog.model_validate({"file": "evidence/../../secret", "line": 1, "time": "2026-11-23T15:00:00Z"})


def test_latest_follows_the_newest_run(good_night: Record, tmp_path: Path) -> None:
    for name in ("first", "second"):
        good_night.save(tmp_path / name)
        link = point_latest(tmp_path / name)
    assert link.is_symlink()
    assert link.readlink() == Path("second")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest", "second"]


def test_latest_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    (tmp_path / "run").mkdir()
    with pytest.raises(Misuse, match="not a symlink"):
        point_latest(tmp_path / "run")


def test_counting_puts_the_worst_first_and_leaves_out_what_does_not_occur(bad_night: Record) -> None:
    counts = count(test.verdict for test in bad_night.tests)
    assert list(counts.items()) == [
        (Verdict.DEVIATES, 1),
        (Verdict.INCONCLUSIVE, 2),
        (Verdict.CONFORMS, 38),
        (Verdict.NOT_APPLICABLE, 1),
    ]


def test_each_verdict_has_a_letter_of_its_own_and_a_place_in_the_order() -> None:
    assert len(set(LETTERS.values())) == len(Verdict)
    assert set(WORST_FIRST) == set(LETTERS) == set(Verdict)


def test_junit_properties_name_requirement_device_and_proof(bad_night: Record, in_log: InLog) -> None:
    phone = bad_night.phones[1]
    test = next(test for test in bad_night.tests if test.verdict is Verdict.DEVIATES)
    logged = test.findings[1].model_copy(update={"phone_seen": in_log})
    told = properties(test.model_copy(update={"findings": (logged, *test.findings)}), phone)
    assert told == [
        ("requirement", "KEYLEN-4096"),
        ("verdict", "deviates"),
        ("phone", "j179-1"),
        ("model", "J179"),
        ("firmware", "4.1.3.0.6"),
        ("sitting", "s02"),
        ("slot", "1"),
        ("confirmation", "deviates"),
        ("proof", "evidence/j179-1/s02/boot-2.pcapng frame 44"),
        ("proof", "evidence/j179-1/s02/boot-2.events.jsonl line 7"),
        ("proof", "evidence/j179-1/s02/boot-2.pcapng frame 41"),
    ]


def test_junit_properties_leave_out_what_is_not_known(good_night: Record) -> None:
    test = good_night.tests[0].model_copy(update={"sitting": None, "slot": None, "findings": (), "requirements": ()})
    assert properties(test, None) == [("verdict", "conforms"), ("phone", "j139-1")]
