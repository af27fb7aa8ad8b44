"""The first hour, played on phones that differ in one habit each: it tells each from the plain one, and by that habit alone."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.cli.night import SUITE, Night, play
from hil.judge.behaviour import Behaviour, differences
from hil.judge.verdict import Verdict
from hil.report.behaviour import write

PLAIN, TWIN = "plain", "twin"

HABITS: Mapping[str, Collection[str]] = {
    "triple-des": {"request.content_cipher"},
    "get-only": {"request.http_method"},
    "nonce-8": {"request.nonce_length"},
    "txid-random": {"request.transaction_id_form", "request.transaction_id_origin"},
    "cn-first": {"csr.cn_position"},
    "reversed-profiles": {"profile_order"},
    "clock-1970": {"request.signer_begins [no time]"},
    "renews-by-pkcsreq": {"renewal.message_type"},
    "keeps-key": {"renewal.key_is_new"},
    "slow-flash": {"timing.stored_after", "timing.lost_until"},
    "needs-time": {"enrolled [no time]", "requests [no time]", "request.signer_begins [no time]"},
    "checks-hourly": set(),
}
"""What a variant changes, by the facts that show it; one that is only later at what no document times changes none."""

ALWAYS = ("triple-des", "renews-by-pkcsreq", "slow-flash", "needs-time", "checks-hourly")
"""One that its first request shows, one that its renewal shows, one that only losing its power shows, and two that wait."""

OF_THIS_PC = ("timing.preparation", "timing.request_after_power_on", "provisioning.settings_after_power_on")
"""How long the program of a virtual phone takes to start and for a key says how busy this PC is, and nothing of the phone."""


def bench(*variants: str) -> dict[str, Any]:
    names = (PLAIN, TWIN, *variants)
    return {
        "name": "variants",
        "kind": "virtual",
        "rate": 20,
        "times": {"boot_limit": 900, "quiet": 45, "settle": 30, "off_time": 0.1},
        "network": {"interface": "lab0", "address": "192.0.2.1"},
        "power": {"kind": "snmp", "address": "192.0.2.2", "poll": 0.02, "timeout": 3, "limit": 30},
        "phones": [
            {
                "name": name,
                "model": "J179",
                "mac": f"c8:1f:ea:00:03:{number:02x}",
                "serial": f"26WZ7{number:07}",
                "address": f"192.0.2.{100 + number}",
                "reference": f"127.77.3.{number}",
                "power": {"group": 1, "port": number},
                "virtual": {"firmware": "4.1.11.0.9", "boot_delay": 10, "variants": [name] if name in HABITS else []},
            }
            for number, name in enumerate(names, 1)
        ],
    }


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, thorough: bool) -> Night:
    folder = tmp_path_factory.mktemp("variants")
    testbed = folder / "variants.yaml"
    testbed.write_text(yaml.safe_dump(bench(*(HABITS if thorough else ALWAYS)), sort_keys=False))
    words = ("--bench-retries=2", "-q", "--tb=short")
    return play(testbed, folder / "reports", *words, state=folder / "state", suite=SUITE / "characterise")


@pytest.fixture(scope="module")
def behaviours(night: Night) -> Mapping[str, Behaviour]:
    return {name: Behaviour.load(file) for name, (file, _) in write(night.record, night.folder).items()}


def changed(one: Behaviour, other: Behaviour) -> set[str]:
    return {found.fact for found in differences(one, other) if not found.fact.startswith(OF_THIS_PC)}


@pytest.mark.timeout(1500)
def test_everything_was_seen_on_every_phone(night: Night) -> None:
    assert [(test.id, test.reason) for test in night.record.tests if test.verdict is not Verdict.CHARACTERISED] == []
    assert night.exit_code == 0


def test_phones_of_one_kind_behave_alike(behaviours: Mapping[str, Behaviour]) -> None:
    assert changed(behaviours[PLAIN], behaviours[TWIN]) == set()


@pytest.mark.parametrize("variant", HABITS)
def test_a_variant_differs_by_its_habit_and_nothing_else(variant: str, behaviours: Mapping[str, Behaviour]) -> None:
    if variant not in behaviours:
        pytest.skip("played with --thorough alone")
    assert changed(behaviours[PLAIN], behaviours[variant]) == set(HABITS[variant])


def test_each_fact_has_its_proof_in_the_run(night: Night, behaviours: Mapping[str, Behaviour]) -> None:
    frames = functools.cache(_frames)
    for fact in behaviours[PLAIN].facts.values():
        assert fact.proof is not None
        assert 1 <= fact.proof.frame <= frames(night.folder / fact.proof.capture)


def _frames(capture: Path) -> int:
    counted = subprocess.run(
        ["tshark", "-r", str(capture), "-T", "fields", "-e", "frame.number"], capture_output=True, text=True, check=True
    )
    return len(counted.stdout.split())


def test_no_identity_stands_in_a_behaviour(behaviours: Mapping[str, Behaviour]) -> None:
    told = behaviours[PLAIN].model_dump_json().lower()
    assert "26wz7" not in told
    assert "c81fea" not in told


def test_the_verb_refuses_a_phone_that_the_bench_does_not_have(tmp_path: Path) -> None:
    testbed = tmp_path / "variants.yaml"
    testbed.write_text(yaml.safe_dump(bench(), sort_keys=False))
    command = [sys.executable, "-m", "hil.cli", "characterise", "--phone", "plane", "--testbed", str(testbed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has no phone 'plane'" in done.stderr
