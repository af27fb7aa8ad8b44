"""Phones that labgrid hands out: a real coordinator, a real exporter, 200 places."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from labgrid_rig import PATIENCE, Labgrid, bench_of, in_processes, places_for, seen_by, until

from hil.bench.labgrid.places import Places, PlaceTaken
from hil.bench.power import PowerNotOurs
from hil.bench.testbed import Testbed
from hil_fixtures.reserving import Wish, matching

COUNT = 200

GREEDY = """
import sys
from hil.bench.labgrid.places import Places, PlaceTaken
from hil.bench.testbed import load
testbed = load(sys.argv[1])
places = Places(testbed, testbed.labgrid)
places.acquire([])
print("ready", flush=True)
sys.stdin.readline()
got = []
try:
    while True:
        got.append(places.reserve(sys.argv[2], sys.argv[3], 0))
except PlaceTaken:
    print(*got, flush=True)
sys.stdin.read()
for phone in got[:3]:
    places.check(phone, "1")
places.close()
"""

HOLDER = """
import sys
from hil.bench.labgrid.places import Places
from hil.bench.testbed import load
testbed = load(sys.argv[1])
places = Places(testbed, testbed.labgrid)
places.acquire(["p0"])
print(places._agent.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def lab(labgrid: Labgrid) -> Testbed:
    """A bench of 200 phones, exported and known by the coordinator."""
    testbed = bench_of(labgrid, "lab", COUNT)
    labgrid.export(testbed)
    places = places_for(testbed)
    assert len(places.publish()) == COUNT
    places.close()
    return testbed


@pytest.fixture(scope="module")
def users(lab: Testbed) -> Iterator[tuple[Places, Places]]:
    """Two users of the bench, with an agent each."""
    both = places_for(lab), places_for(lab, "thief")
    yield both
    for places in both:
        places.close()


@pytest.fixture
def mine(users: tuple[Places, Places]) -> Iterator[Places]:
    """The places of one user, who has none yet."""
    yield users[0]
    give_all_back(users[0])


@pytest.fixture
def theirs(users: tuple[Places, Places]) -> Iterator[Places]:
    """Those of another."""
    yield users[1]
    give_all_back(users[1])


def give_all_back(places: Places) -> None:
    places.give_back([place.partition(".")[2] for place, owner in seen_by(places).items() if owner == places.name])
    assert places.name not in seen_by(places).values()


def said(process: subprocess.Popen[str]) -> list[str]:
    """The words of its next line."""
    assert process.stdout is not None
    return process.stdout.readline().split()


def agent_of(places: Places) -> int:
    """The pid of the agent."""
    assert places._agent is not None
    return places._agent.pid


def test_every_phone_is_exported_and_is_a_place(labgrid: Labgrid, lab: Testbed, mine: Places) -> None:
    resources = labgrid.client("resources").split()
    assert len(resources) == COUNT
    assert "lab/lab.p7/J100Phone" in resources
    mine.acquire(["p7"])
    shown = labgrid.client("-p", "lab.p7", "show")
    assert "model=J189" in shown
    assert "pool=night" in shown
    assert "'mac': 'c8:1f:ea:00:00:07'" in shown, "the resource that the place matches"
    assert mine.publish()[7] == "lab.p7", "publishing again changes nothing"
    assert labgrid.owners() == {"lab.p7": mine.name}


def test_of_all_who_reserve_at_once_no_two_get_the_same_phone(labgrid: Labgrid, lab: Testbed, mine: Places) -> None:
    players = in_processes(GREEDY, *[(str(lab.file), "J179", "night")] * 3)
    for player in players:
        assert said(player) == ["ready"]
    for player in players:
        assert player.stdin is not None
        player.stdin.write("go\n")
        player.stdin.flush()
    got = [said(player) for player in players]
    together = [phone for phones in got for phone in phones]
    assert sorted(together) == sorted(phone.name for phone in matching(lab, Wish("J179", "night"))), "each phone once"
    assert sum(map(bool, got)) > 1, "one took all before another began"
    expected = {f"lab.{phone}": f"-{player.pid}" for player, phones in zip(players, got, strict=True) for phone in phones}
    owners = labgrid.owners()
    assert owners.keys() == expected.keys()
    assert all(owners[place].endswith(pid) for place, pid in expected.items())
    for player in players:
        player.communicate("", PATIENCE)
        assert player.returncode == 0
    assert seen_by(mine) == {}


def test_whoever_has_a_place_is_named_and_nothing_is_taken(labgrid: Labgrid, mine: Places, theirs: Places) -> None:
    theirs.acquire(["p2"])
    with pytest.raises(PlaceTaken, match=r"labgrid refuses .*acquire lab\.p2.*acquired by elsewhere/thief"):
        mine.acquire(["p0", "p1", "p2"])
    assert seen_by(mine) == {"lab.p2": "elsewhere/thief"}
    with pytest.raises(PowerNotOurs, match=r"phone p0, port 1\.1.*acquired by nobody"):
        mine.check("p0", "1.1")
    with pytest.raises(PlaceTaken, match=r"no J100 of pool night is free .*the reservation is waiting"):
        mine.reserve("J100", "night", 0)
    assert "waiting" not in labgrid.client("reservations")


def test_a_phone_that_others_have_reserved_is_not_taken_past_them(labgrid: Labgrid, mine: Places) -> None:
    token = labgrid.client("reserve", "--shell", "phone=p4").strip().partition("=")[2]
    with pytest.raises(PlaceTaken, match="not reserved for"):
        mine.acquire(["p4"])
    labgrid.client("cancel-reservation", token)
    mine.acquire(["p4"])
    mine.check("p4", "1")


def test_a_phone_that_was_released_by_hand_is_switched_no_more(labgrid: Labgrid, mine: Places, theirs: Places) -> None:
    mine.acquire(["p0", "p1"])
    labgrid.client("-p", "lab.p0", "release", "--kick")
    with pytest.raises(PowerNotOurs, match=r"ask the coordinator 127\.0\.0\.1:\d+.*place lab\.p0 was released by hand"):
        mine.check("p0", "1")
    mine.check("p1", "1")
    theirs.acquire(["p0"])
    with pytest.raises(PowerNotOurs):
        mine.check("p0", "1")
    theirs.give_back(["p0"])
    mine.acquire(["p0"])
    mine.check("p0", "1")


def test_a_run_that_is_killed_gives_its_phones_back(lab: Testbed, theirs: Places) -> None:
    (run,) = in_processes(HOLDER, [str(lab.file)])
    said(run)
    assert list(seen_by(theirs)) == ["lab.p0"]
    run.kill()
    run.communicate()
    until(lambda: not seen_by(theirs), "the agent of the dead has given back what it had")


def test_what_a_run_had_that_was_killed_with_its_agent_goes_to_the_next(lab: Testbed, mine: Places, theirs: Places) -> None:
    (run,) = in_processes(HOLDER, [str(lab.file)])
    os.kill(int(said(run)[0]), signal.SIGKILL)
    run.kill()
    run.communicate()
    assert seen_by(theirs)["lab.p0"].endswith(f".hil-{run.pid}")
    mine.acquire(["p0"])
    assert seen_by(theirs) == {"lab.p0": mine.name}


def test_an_agent_that_is_killed_is_started_anew(mine: Places, theirs: Places) -> None:
    mine.acquire(["p0"])
    first = agent_of(mine)
    os.kill(first, signal.SIGKILL)
    mine.check("p0", "1")
    second = agent_of(mine)
    assert second != first
    theirs.acquire(["p1"])
    with pytest.raises(PowerNotOurs):
        mine.check("p1", "1")
    os.kill(second, signal.SIGKILL)
    mine.check("p0", "1")


def saved(labgrid: Labgrid) -> bool:
    """Whether the coordinator has written down all places, which it does from time to time."""
    file = labgrid.folder / "places.yaml"
    return file.exists() and len(yaml.safe_load(file.read_text())) == COUNT


def test_a_coordinator_that_starts_anew_is_told_again_who_has_what(labgrid: Labgrid, mine: Places, theirs: Places) -> None:
    mine.acquire(["p0", "p1"])
    until(lambda: saved(labgrid), "places on disk")
    labgrid.kill()
    labgrid.start()
    mine.check("p0", "1")
    mine.check("p1", "1")
    assert seen_by(theirs) == dict.fromkeys(("lab.p0", "lab.p1"), mine.name)


def test_whoever_is_quicker_after_a_restart_keeps_the_phone(labgrid: Labgrid, mine: Places, theirs: Places) -> None:
    mine.acquire(["p0", "p1"])
    theirs.acquire(["p9"])
    until(lambda: saved(labgrid), "places on disk")
    os.kill(agent_of(mine), signal.SIGSTOP)
    try:
        labgrid.kill()
        labgrid.start()
        theirs.acquire(["p0"])
    finally:
        os.kill(agent_of(mine), signal.SIGCONT)
    with pytest.raises(PowerNotOurs, match=r"place lab\.p0 .*acquired by elsewhere/thief"):
        mine.check("p0", "1")
    mine.check("p1", "1")
    theirs.check("p0", "1")
    theirs.check("p9", "1")


def test_without_a_coordinator_nothing_is_switched_and_nobody_waits_for_ever(labgrid: Labgrid, lab: Testbed) -> None:
    hasty = places_for(bench_of(labgrid, "hasty", 2, patience=3.0))
    hasty.publish()
    hasty.acquire(["p0"])
    labgrid.kill()
    try:
        with pytest.raises(PowerNotOurs, match="the coordinator does not answer within 3 s"):
            hasty.check("p0", "1")
    finally:
        labgrid.start()
    hasty.close()


def test_agents_end_with_their_places_and_give_them_back(lab: Testbed, mine: Places, theirs: Places) -> None:
    theirs.acquire(["p0"])
    agent = theirs._agent
    assert isinstance(agent, subprocess.Popen)
    theirs.close()
    theirs.close()
    assert agent.returncode == 0
    assert seen_by(mine) == {}
