"""What a sitting leaves on disk is read as it was written, and what was edited is refused by its key."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hil.clock import Pace
from hil.errors import Misuse
from hil.evidence import SittingManifest, read_events
from hil.judge.sitting import Sitting
from hil.scenario import Restart, Scenario

Make = Callable[..., Sitting]


@pytest.fixture
def manifest(sitting: Make) -> SittingManifest:
    return sitting(Scenario((("SCEPPASSWORD", "swordfish"),), steps=(Restart(),))).manifest


def test_a_manifest_is_read_as_it_was_saved(manifest: SittingManifest, tmp_path: Path) -> None:
    manifest.save(tmp_path)
    assert SittingManifest.load(tmp_path) == manifest
    assert [file.name for file in tmp_path.glob("manifest*")] == ["manifest.json"]


def test_a_manifest_holds_no_password(manifest: SittingManifest, tmp_path: Path) -> None:
    manifest.save(tmp_path)
    assert "swordfish" not in (tmp_path / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("edit", "key"),
    [
        (lambda raw: raw.update(format=1), "format"),
        (lambda raw: raw.pop("phone"), "phone"),
        (lambda raw: raw.update(surplus=1), "surplus"),
        (lambda raw: raw.update(rate="fast"), "rate"),
        (lambda raw: raw["boots"][1].update(kind="warm"), "boots.1.kind"),
        (lambda raw: raw["boots"][0].pop("problems"), "boots.0.problems"),
        (lambda raw: raw["scenarios"][0].pop("key"), "scenarios.0.key"),
    ],
)
def test_an_edited_manifest_is_refused_by_file_and_key(
    manifest: SittingManifest, tmp_path: Path, edit: Callable[[dict[str, Any]], None], key: str
) -> None:
    raw = json.loads(manifest.model_dump_json())
    edit(raw)
    (tmp_path / "manifest.json").write_text(json.dumps(raw))
    with pytest.raises(Misuse) as refused:
        SittingManifest.load(tmp_path)
    assert refused.value.key == key
    assert str(tmp_path / "manifest.json") in str(refused.value)
    assert refused.value.remedy


def test_a_manifest_cut_short_is_refused(manifest: SittingManifest, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(manifest.model_dump_json()[:-20])
    with pytest.raises(Misuse, match=r"manifest\.json"):
        SittingManifest.load(tmp_path)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="there is no manifest"):
        SittingManifest.load(tmp_path)


def test_a_capture_time_is_read_in_phone_time(manifest: SittingManifest) -> None:
    epoch, real = manifest.paces[0].phone, manifest.paces[0].real
    assert manifest.phone_time(real) == epoch
    hastened = Pace(real + timedelta(seconds=3), epoch + timedelta(minutes=1), 3600.0)
    fast = manifest.model_copy(update={"paces": (Pace(real, epoch, 20.0), hastened)})
    assert fast.phone_time(real + timedelta(seconds=2)) == epoch + timedelta(seconds=40)
    assert fast.phone_time(real + timedelta(seconds=3)) == epoch + timedelta(minutes=1)
    assert fast.phone_time(real + timedelta(seconds=5)) == epoch + timedelta(hours=2, minutes=1)
    assert fast.phone_time(real - timedelta(seconds=1)) == epoch - timedelta(seconds=20)


def test_time_leapt_over_is_that_of_the_sittings_own_boots(manifest: SittingManifest) -> None:
    real, boot = manifest.paces[0].real, manifest.boots[0]
    assert manifest.leapt == 0.0

    def leap(to: datetime, span: float) -> tuple[Pace, ...]:
        before = Pace(real, to - timedelta(seconds=span + 5), 1.0)
        return before, Pace(real + timedelta(seconds=5), to, 1.0)

    within = leap(boot.power_on + timedelta(seconds=1), 3600.0)
    earlier = leap(boot.power_on - timedelta(seconds=1), 7200.0)
    assert manifest.model_copy(update={"paces": within}).leapt == 3600.0
    assert manifest.model_copy(update={"paces": earlier}).leapt == 0.0
    clock_set = (within[0], replace(within[1], set_by=3600.0))
    assert manifest.model_copy(update={"paces": clock_set}).leapt == 0.0


def test_a_boot_with_a_problem_is_not_complete(manifest: SittingManifest) -> None:
    boot = manifest.boots[0]
    assert boot.complete
    assert not boot.model_copy(update={"problems": ("3 packets were dropped",)}).complete


EVENTS = [{"name": "boot begins", "boot": 1}, {"name": "syslog", "text": "Schlüssel"}, {"name": "boot ends"}]


def test_events_are_read_in_their_order(tmp_path: Path) -> None:
    log = tmp_path / "boot-1.events.jsonl"
    log.write_text("".join(json.dumps(event, ensure_ascii=False) + "\n" for event in EVENTS))
    assert list(read_events(log)) == EVENTS


def test_an_event_cut_at_any_octet_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "boot-1.events.jsonl"
    whole = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in EVENTS).encode()
    for length in range(len(whole) + 1):
        log.write_bytes(whole[:length])
        assert list(read_events(log)) == EVENTS[: whole[:length].count(b"\n")]


def test_an_edited_event_is_not_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "boot-1.events.jsonl"
    log.write_bytes(b'{"name": "boot begins"\n{"name": "boot ends"}\n')
    with pytest.raises(ValueError, match="delimiter"):
        read_events(log)
