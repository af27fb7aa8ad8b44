"""Stored evidence judged again, with no bench."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from night_rig import NO_BENCH, Ended, Rig

from hil.evidence import SittingManifest
from hil.judge.verdict import Verdict

pytestmark = pytest.mark.timeout(900)


def replay(rig: Rig, run: Path, *words: str) -> Ended:
    return rig.play("--replay", str(run), *words, testbed=None, plugin=NO_BENCH, PATH="/nonexistent", name="replay")


def part_of(night: Ended, folder: Path, *sittings: str) -> Path:
    """A run that holds keys and those sittings of j179-1 alone."""
    run = folder / "part"
    shutil.copytree(night.run / "keys", run / "keys")
    for sitting in sittings:
        shutil.copytree(night.run / "evidence" / "j179-1" / sitting, run / "evidence" / "j179-1" / sitting)
    return run


def sitting_of(night: Ended, name: str) -> str:
    """The folder of the sitting that j179-1 played a test in, of several attempts the last."""
    (sitting,) = {test.sitting for test in night.record.tests if test.name == name and test.phone == "j179-1"}
    played = [(SittingManifest.load(file.parent), file.parent) for file in night.run.glob("evidence/j179-1/*/manifest.json")]
    return max((manifest.attempt, folder.name) for manifest, folder in played if manifest.sitting == sitting)[1]


def test_evidence_carried_elsewhere_gives_the_same_verdicts(whole_night: Ended, rig: Rig) -> None:
    carried = rig.folder / "carried"
    shutil.copytree(whole_night.run, carried)
    again = replay(rig, carried)
    assert again.code == 0, again.said
    assert not again.state.exists()
    assert again.verdicts == whole_night.verdicts
    first, second = ({test.id: test.findings for test in ended.record.tests} for ended in (whole_night, again))
    assert first == second
    assert again.record.run.replay_of == "carried"


def test_latest_can_be_named(whole_night: Ended, rig: Rig) -> None:
    again = replay(rig, whole_night.reports / "latest", "-k", "keylen_default")
    assert again.code == 0, again.said
    assert again.record.run.replay_of == whole_night.run.name
    assert set(again.verdicts.values()) == {Verdict.CONFORMS}


def test_a_capture_that_was_cut_is_inconclusive(whole_night: Ended, rig: Rig) -> None:
    sitting = sitting_of(whole_night, "test_keylen_default")
    run = part_of(whole_night, rig.folder, sitting)
    capture = run / "evidence" / "j179-1" / sitting / "boot-2.pcapng"
    capture.write_bytes(capture.read_bytes()[: capture.stat().st_size // 2])
    again = replay(rig, run, "-k", "keylen_default")
    assert again.code == 12, again.said
    assert set(again.verdicts.values()) == {Verdict.INCONCLUSIVE}
    assert "boot-2.pcapng" in again.said


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("tcp && ip.src == 192.0.2.1", "nothing that 192.0.2.1:80 sent to 192.0.2.102:"),
        ("tcp && ip.src == 192.0.2.102", "sent to 192.0.2.1:80 was captured, and it was received"),
        ("tcp.len > 0 && ip.src == 192.0.2.102 && http.request.method == POST", "sent to 192.0.2.1:80 were received"),
        ("tcp.stream in {{{streams}}}", "j179-1 was seen to send"),
    ],
    ids=["the PC's direction", "the phone's direction", "some frames", "whole connections"],
)
def test_what_a_mirror_lost_is_inconclusive(whole_night: Ended, rig: Rig, lost: str, said: str) -> None:
    sitting = sitting_of(whole_night, "test_keylen_default")
    run = part_of(whole_night, rig.folder, sitting)
    capture = run / "evidence" / "j179-1" / sitting / "boot-2.pcapng"
    whole = capture.rename(capture.with_suffix(".whole"))
    asked = [
        "tshark",
        "-r",
        whole,
        "-Y",
        "ip.src == 192.0.2.102 && http.request.uri contains scep",
        "-T",
        "fields",
        "-e",
        "tcp.stream",
    ]
    streams = subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert streams
    lost = lost.replace("{{{streams}}}", "{" + ", ".join(streams) + "}")
    subprocess.run(["tshark", "-r", whole, "-Y", f"!({lost})", "-w", capture], check=True, capture_output=True, timeout=60)
    again = replay(rig, run, "-k", "keylen_default")
    assert again.code == 12, again.said
    assert set(again.verdicts.values()) == {Verdict.INCONCLUSIVE}
    (test,) = again.record.tests
    assert test.reason is not None
    assert said in test.reason


def test_a_scenario_that_was_never_played_is_inconclusive(whole_night: Ended, rig: Rig) -> None:
    run = part_of(whole_night, rig.folder, sitting_of(whole_night, "test_keylen_default"))
    again = replay(rig, run, "-k", "keylen_default or no_second_enrolment")
    assert again.code == 12, again.said
    assert sorted(again.verdicts.values()) == [Verdict.CONFORMS, Verdict.INCONCLUSIVE]


def test_a_folder_without_evidence_is_refused(rig: Rig) -> None:
    again = replay(rig, rig.folder)
    assert again.code == 10
    assert "holds no evidence" in again.said
