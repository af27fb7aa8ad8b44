"""What a run refuses before it touches anything, and what only looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from night_rig import NO_BENCH, VIRTUAL, Ended, Rig

PREAMBLE = "import pytest\nfrom hil_fixtures import Observation, scenario\n\n"


def look(rig: Rig, *words: str, what: Sequence[str] = ("suite",), testbed: Path | None = VIRTUAL) -> Ended:
    """A run that must neither start a program, nor take a port, nor write anything of its own."""
    ended = rig.play(*words, what=what, testbed=testbed, plugin=NO_BENCH)
    assert not ended.state.exists()
    assert not ended.reports.exists()
    return ended


def collect(rig: Rig, test: str) -> Ended:
    file = rig.folder / "test_tiny.py"
    file.write_text(PREAMBLE + test)
    return look(rig, "--collect-only", what=[str(file)])


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_looking_switches_nothing(rig: Rig, option: str) -> None:
    ended = look(rig, option, "-q")
    assert ended.code == 0, ended.said
    assert "test_keylen_default[j179-1]" in ended.said


def test_workers_are_refused(rig: Rig) -> None:
    ended = look(rig, "-n", "2")
    assert ended.code == 4
    assert "a bench has one set of phones" in ended.said


def test_an_unknown_phone_is_refused(rig: Rig) -> None:
    ended = look(rig, "--phone", "j179-2")
    assert ended.code == 10
    (line,) = ended.said.splitlines()
    assert "has no phone 'j179-2'" in line
    assert "did you mean 'j179-1'?" in line


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("boot_limit: 600", "boot_limt: 600", ("times.boot_limt", "unknown key", "did you mean 'boot_limit'?")),
        ("model: J139", "model: 9611G", ("phones[0].model", "9611G")),
        ("port: 2", "port: 1", ("phones[1].power", "phones[0] has group=1 port=1 already", "each phone needs its own")),
        ("kind: snmp", "kind: smnp", ("power.kind", "'smnp'", "did you mean 'snmp'?")),
        ("name: virtual", "name: [virtual", (":5: ", "is not YAML")),
    ],
)
def test_a_wrong_testbed_is_one_line(rig: Rig, right: str, wrong: str, words: Sequence[str]) -> None:
    file = rig.folder / "mine.yaml"
    assert right in VIRTUAL.read_text()
    file.write_text(VIRTUAL.read_text().replace(right, wrong, 1))
    ended = look(rig, testbed=file)
    assert ended.code == 10
    (line,) = ended.said.splitlines()
    assert all(word in line for word in (str(file), *words))


def test_a_bench_is_needed(rig: Rig) -> None:
    ended = look(rig, "-k", "keylen_default", testbed=None)
    assert ended.code == 4
    assert "is a test of phones: give --testbed FILE or --replay RUN" in ended.said
    assert "ERROR collecting" not in ended.said
    assert "Traceback" not in ended.said
    assert "INTERNALERROR" not in ended.said


def test_bench_and_stored_run_exclude_each_other(rig: Rig) -> None:
    ended = look(rig, "--replay", str(rig.folder))
    assert ended.code == 10
    assert "leave --testbed out" in ended.said


def test_an_unknown_parameter_is_a_collection_error(rig: Rig) -> None:
    ended = collect(rig, '@scenario(MYCERTKEYLENGTH="4096")\ndef test_it(phone): ...\n')
    assert ended.code == 2
    assert "no J100 parameter is called MYCERTKEYLENGTH" in ended.said


def test_a_phone_without_a_scenario_is_refused(rig: Rig) -> None:
    ended = collect(rig, "def test_it(phone): ...\n")
    assert ended.code == 4
    assert "test_it[j139-1] asks for a phone and has no @scenario" in ended.said


def test_an_unknown_requirement_is_refused(rig: Rig) -> None:
    (rig.folder / "requirements.yaml").write_text(
        "KEYLEN-4096:\n  title: A length.\n  place: SCEP page\n  basis: documented\n  facts: [csr.key_bits]\n"
    )
    ended = collect(rig, '@scenario()\n@pytest.mark.requirement("KEYLEN-4069")\ndef test_it(phone): ...\n')
    assert ended.code == 4
    assert "no requirement 'KEYLEN-4069'" in ended.said
    assert "did you mean 'KEYLEN-4096'?" in ended.said


def test_a_wrong_fact_of_a_requirement_is_refused(rig: Rig) -> None:
    (rig.folder / "requirements.yaml").write_text(
        "KEYLEN-4096:\n  title: A length.\n  place: SCEP page\n  basis: documented\n  facts: [csr.key_bites]\n"
    )
    ended = collect(rig, '@scenario()\n@pytest.mark.requirement("KEYLEN-4096")\ndef test_it(phone): ...\n')
    assert ended.code == 4
    assert "requirements.yaml: KEYLEN-4096.facts: 'csr.key_bites' is no fact" in ended.said
    assert "INTERNALERROR" not in ended.said


def test_what_is_well_written_is_collected(rig: Rig) -> None:
    ended = collect(rig, '@scenario(MYCERTKEYLEN="4096")\ndef test_it(phone): ...\n')
    assert ended.code == 0, ended.said
    assert "test_it[j189-1]" in ended.said
