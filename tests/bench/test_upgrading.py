"""The guard of phones that are being upgraded: on disk, over processes, and before every power action."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hil.bench.power import cycle
from hil.bench.power.journal import Journal, JournaledPort, recover
from hil.bench.upgrading import GuardedPort, PowerGuarded, UpgradeBook
from hil.errors import LabFault

KEY = "c8:1f:ea:83:e8:5a"


class Outlet:
    """A port that notes what was done to it."""

    label = "192.0.2.2 1.1"

    def __init__(self, powered: bool = True) -> None:
        self.powered = powered
        self.done: list[str] = []

    def on(self) -> None:
        self.done.append("on")
        self.powered = True

    def off(self) -> None:
        self.done.append("off")
        self.powered = False

    def delivering(self) -> bool:
        return self.powered

    def watts(self) -> float | None:
        return None


@pytest.fixture
def book(tmp_path: Path) -> UpgradeBook:
    return UpgradeBook(tmp_path / "states")


def begin(book: UpgradeBook) -> None:
    book.begin(KEY, bench="lab-2", phone="j179-1", target="4.1.5.0.6")


def test_without_an_upgrade_power_goes_as_it_is_told(book: UpgradeBook) -> None:
    outlet = Outlet()
    cycle(GuardedPort(outlet, book, KEY))
    assert outlet.done == ["off", "on"]


def test_no_power_is_cut_until_the_phone_is_seen_back(book: UpgradeBook) -> None:
    outlet = Outlet()
    port = GuardedPort(outlet, book, KEY)
    begin(book)
    with pytest.raises(PowerGuarded, match=r"being upgraded to 4\.1\.5\.0\.6.*bench lab-2, phone j179-1, port 192\.0\.2\.2 1\.1"):
        port.off()
    with pytest.raises(PowerGuarded):
        cycle(port)
    port.on()
    assert outlet.done == [], "what has power needs none"
    book.end(KEY)
    port.off()
    assert outlet.done == ["off"]


def test_other_phones_go_on_as_ever(book: UpgradeBook) -> None:
    outlet = Outlet()
    begin(book)
    GuardedPort(outlet, book, "c8:1f:ea:83:e8:5b").off()
    assert outlet.done == ["off"]


def test_a_phone_without_power_is_given_some(book: UpgradeBook, tmp_path: Path) -> None:
    outlet, journal = Outlet(powered=False), Journal(tmp_path / "journal.json", "lab-2")
    journal.will_turn_off("j179-1", outlet.label)
    begin(book)
    port = GuardedPort(JournaledPort(outlet, journal, "j179-1"), book, KEY)
    assert [entry.phone for entry in recover(journal, lambda _: port)] == ["j179-1"]
    assert outlet.done == ["on"]
    assert journal.pending() == ()


def test_a_refused_cut_leaves_nothing_in_the_journal(book: UpgradeBook, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.json", "lab-2")
    begin(book)
    with pytest.raises(PowerGuarded):
        GuardedPort(JournaledPort(Outlet(), journal, "j179-1"), book, KEY).off()
    assert journal.pending() == ()


def test_it_outlives_the_process_that_began_it_however_that_ends(book: UpgradeBook, tmp_path: Path) -> None:
    killed = (
        "import os, signal, sys; from pathlib import Path; from hil.bench.upgrading import UpgradeBook\n"
        f"UpgradeBook(Path(sys.argv[1])).begin({KEY!r}, bench='lab-2', phone='j179-1', target='4.1.5.0.6')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path / "states")], check=False, timeout=60)
    assert done.returncode == -9
    found = book.of(KEY)
    assert found is not None
    assert (found.phone, found.target) == ("j179-1", "4.1.5.0.6")


def test_what_the_phone_ran_is_learnt_and_what_a_person_gives_up_is_written_down(book: UpgradeBook, tmp_path: Path) -> None:
    begin(book)
    book.learn(KEY, "4.1.3.0.6")
    given_up = book.give_up(KEY, "its screen is dark")
    assert given_up is not None
    assert given_up.former == "4.1.3.0.6"
    assert book.of(KEY) is None
    assert book.give_up(KEY, "once more") is None
    (line,) = (tmp_path / "states" / "given-up.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"] == "its screen is dark"


def test_a_book_that_cannot_be_read_lets_no_power_be_cut(book: UpgradeBook, tmp_path: Path) -> None:
    begin(book)
    (tmp_path / "states" / "upgrading.json").write_text("{")
    outlet = Outlet()
    with pytest.raises(LabFault, match=r"the book of upgrades cannot be read.*upgrading\.json"):
        GuardedPort(outlet, book, KEY).off()
    assert outlet.done == []


def test_a_phone_is_given_up_by_nobody_who_is_not_written_down(book: UpgradeBook, tmp_path: Path) -> None:
    assert book.give_up(KEY, "a folder that is not there yet knows of none") is None
    begin(book)
    (tmp_path / "states" / "given-up.jsonl").symlink_to("/dev/full")
    with pytest.raises(LabFault, match=r"keeps its guard .*phone j179-1, tried write .*given-up\.jsonl"):
        book.give_up(KEY, "its screen is dark")
    assert book.of(KEY) is not None
