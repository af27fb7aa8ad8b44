"""A bench that labgrid hands out: its testbed, power that leases and labgrid allow, and a run on the virtual bench."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from labgrid_rig import PATIENCE, ROOT, Labgrid, bench_of, places_for, seen_by, until

from hil.bench.claim import Use
from hil.bench.labgrid.places import Places, PlaceTaken
from hil.bench.outlets import Outlets
from hil.bench.power import PowerNotOurs
from hil.bench.testbed import Testbed, load
from hil.errors import Misuse
from hil_fixtures.reserving import matching, wishes


@pytest.fixture
def desks(labgrid: Labgrid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Testbed]:
    """A bench of four phones whose outlets are files."""
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    made = bench_of(labgrid, "desks", 4, patience=5)
    described = yaml.safe_load(made.file.read_text())
    outlet = tmp_path / "{outlet}"
    described["power"] = {
        "kind": "command",
        "turn_on": ["touch", str(outlet)],
        "turn_off": ["rm", str(outlet)],
        "status": ["sh", "-c", f"test -e {outlet} && echo on || echo off"],
        "shows_on": "on",
        "shows_off": "off",
    }
    described["times"] = {"off_time": 0.01}
    for number, phone in enumerate(described["phones"]):
        phone["power"] = {"outlet": f"outlet-{number}"}
        (tmp_path / f"outlet-{number}").touch()
    file = tmp_path / "desks.yaml"
    file.write_text(yaml.safe_dump(described))
    testbed = load(file)
    places = places_for(testbed)
    places.publish()
    yield testbed
    places.close()


@pytest.fixture
def others(desks: Testbed) -> Iterator[Places]:
    places = places_for(desks, "others")
    yield places
    places.close()


def test_power_is_switched_where_labgrid_says_that_the_phone_is_ours(
    labgrid: Labgrid, desks: Testbed, others: Places, tmp_path: Path
) -> None:
    others.acquire(["p3"])
    with pytest.raises(PlaceTaken, match="acquired by elsewhere/others"):
        Outlets(desks, Use("all")).take()
    assert list(seen_by(others)) == ["desks.p3"], "all or nothing"
    run = Outlets(desks, Use("a run", ("p0", "p1")))
    run.take()
    try:
        run.connect()
        run.port("p0").off()
        labgrid.client("-p", "desks.p1", "release", "--kick")
        with pytest.raises(PowerNotOurs, match=r"bench desks, phone p1, port .*desks\.p1 was released by hand"):
            run.port("p1").off()
        assert (tmp_path / "outlet-1").exists()
        run.port("p0").on()
        assert (tmp_path / "outlet-0").exists()
    finally:
        run.close()
    assert list(seen_by(others)) == ["desks.p3"]


def test_recovery_borrows_places_and_leaves_those_of_others(desks: Testbed, others: Places, tmp_path: Path) -> None:
    former = Outlets(desks, Use("hil power off", ("p0", "p1"), whole=False))
    former.take()
    former.connect()
    former.port("p0").off()
    former.port("p1").off()
    former.close()
    others.acquire(["p1"])
    later = Outlets(desks, Use("hil recover", (), whole=False))
    later.take()
    later.connect()
    assert [entry.phone for entry in later.recover()] == ["p0"]
    assert (tmp_path / "outlet-0").exists()
    assert not (tmp_path / "outlet-1").exists()
    assert list(seen_by(others)) == ["desks.p1"]
    later.close()


@pytest.mark.parametrize("python", [sys.executable, "false", "/no/such/python"])
def test_where_labgrid_is_not_installed_it_says_how_to(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], python: str
) -> None:
    monkeypatch.setenv("HIL_LABGRID_PYTHON", python)
    described = load(ROOT / "testbeds" / "example-labgrid.yaml")
    assert described.labgrid is not None
    with pytest.raises(Misuse, match=r"has no labgrid; \./bench labgrid"):
        Places(described, described.labgrid).publish()
    assert capfd.readouterr().err == ""


def test_a_pool_of_an_unknown_phone_is_refused(desks: Testbed) -> None:
    described = yaml.safe_load(desks.file.read_text())
    described["labgrid"]["pools"] = {"p11": "night"}
    desks.file.write_text(yaml.safe_dump(described))
    with pytest.raises(Misuse, match=r"labgrid\.pools\.p11: has no phone 'p11'; did you mean 'p1'"):
        load(desks.file)


def test_what_can_never_be_reserved_is_refused_before_anybody_is_asked(desks: Testbed) -> None:
    (wish,) = wishes(desks, ["J179"])
    assert (wish.model, wish.pool) == ("J179", "day")
    assert [phone.name for phone in matching(desks, wish)] == ["p2"]
    with pytest.raises(Misuse, match=r"--reserve: 'J179 night' is no model and pool"):
        wishes(desks, ["J179 night"])
    with pytest.raises(Misuse, match="no phone of this bench is 'J139@night'; it has J179@day, J179@night, J189@day, J189@night"):
        wishes(desks, ["J139@night"])
    with pytest.raises(Misuse, match=r"labgrid: no labgrid hands out the phones of this bench; name a phone by --phone"):
        wishes(load(ROOT / "testbeds" / "virtual.yaml"), ["J179"])


def run_of(testbed: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    """A run of the suite that keeps its reports in `folder`."""
    command = [sys.executable, "-m", "pytest", "suite", "-k", "keylen_default", "-p", "no:cacheprovider"]
    own = {"HIL_STATE": str(folder / "state"), "COLUMNS": "250"}
    return subprocess.Popen(
        [*command, "--testbed", str(testbed), "--report-dir", str(folder), *words],
        cwd=ROOT,
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_run_reserves_acquires_plays_and_releases(labgrid: Labgrid, tmp_path: Path) -> None:
    described = yaml.safe_load((ROOT / "testbeds" / "virtual.yaml").read_text())
    described["labgrid"] = {"coordinator": labgrid.address, "pool": "virtual"}
    described["phones"] = [phone for phone in described["phones"] if phone["name"] in ("j179-1", "j139-1")]
    for phone in described["phones"]:
        phone["virtual"]["boot_delay"] = 5
    file = tmp_path / "virtual.yaml"
    file.write_text(yaml.safe_dump(described))
    testbed = load(file)
    places = places_for(testbed, "witness")
    places.publish()
    try:
        run = run_of(file, tmp_path, "--reserve", "J179")
        owners = until(lambda: run.poll() is not None or seen_by(places), "a place is acquired")
        assert owners == {"virtual.j179-1": places_for(testbed).name.replace(f"-{os.getpid()}", f"-{run.pid}")}
        second = run_of(file, tmp_path, "--reserve", "J179", "--reserve-wait", "0")
        said, _ = second.communicate(timeout=PATIENCE)
        assert second.returncode == 10, said
        assert "no J179 of pool virtual is free" in said
        said, _ = run.communicate(timeout=4 * PATIENCE)
        assert run.returncode == 0, said
        assert "1 conforms" in said
        assert seen_by(places) == {}
    finally:
        places.close()
