"""One user of a phone at a time: who takes, keeps, loses and inherits a lease."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lease_players import PHONES

from hil.bench.lease import InUse, Lease, released_by_hand
from hil.bench.lease_book import EXPIRY, UNWRITTEN, Book, Machine, Ticket
from hil.bench.power import PowerNotOurs
from hil.bench.state import locked
from hil.errors import LabFault

NONSENSE = {
    "nothing": b"",
    "half": b'{"holders": [{"ticket": "00',
    "zeros": bytes(5000),
    "another": b'{"holders": 7}',
    "not text": b"\xff\xfe{}",
    "a stranger's": b'{"holders": [{"ticket": "../../etc/passwd"}]}',
    "endless": b"[" * (5 << 20),
}


@dataclass
class Clock:
    """Seconds since the machine booted."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def machine(clock: Clock) -> Machine:
    return Machine("this-pc", "this-boot", clock)


class Players:
    """Holders in processes of their own."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.folder = folder

    def start(self, *players: tuple[str, int]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([(what, str(self.folder), number) for what, number in players]) + "\n")
        self._process.stdin.flush()

    def ended(self) -> list[int]:
        assert self._process.stdout is not None
        return list(json.loads(self._process.stdout.readline()))

    def play(self, *players: tuple[str, int]) -> list[int]:
        self.start(*players)
        return self.ended()

    def holder(self) -> int:
        """The pid of a player that holds, once it does."""
        self.start(("hold", 0))
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for file in self.folder.glob("held by *"):
                file.unlink()
                return int(file.name.split()[-1])
            threading.Event().wait(0.01)
        raise AssertionError("nobody holds")


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(Path(__file__).with_name("lease_players.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as players:
        yield players


@pytest.fixture
def players(process: subprocess.Popen[str], tmp_path: Path) -> Players:
    return Players(process, tmp_path)


def take(lease: Lease, *names: str) -> Lease:
    lease.take({name: PHONES[name] for name in names or ("phone-0",)})
    return lease


def check(lease: Lease, name: str = "phone-0") -> None:
    lease.check([name], bench="lab", phone=name, port="1.1")


def test_two_users_of_different_phones_and_none_of_the_same(tmp_path: Path) -> None:
    first = take(Lease(tmp_path, "a night"), "phone-0", "phone-1")
    second = take(Lease(tmp_path, "another night"), "phone-2")
    with pytest.raises(InUse, match=rf"phone is in use .*bench lab, phone phone-1, .*pid {os.getpid()}, since 20.*for a night"):
        take(second, "phone-3", "phone-1")
    assert not second.holds("phone-3"), "all or nothing"
    check(first)
    check(second, "phone-2")
    first.release()
    first.release()
    take(second, "phone-1", "phone-3")
    second.release()
    assert Book(tmp_path).holders() == ()
    assert list((tmp_path / "tickets").iterdir()) == []


def test_what_was_never_taken_is_not_ours(tmp_path: Path) -> None:
    lease = take(Lease(tmp_path, "a night"))
    with pytest.raises(PowerNotOurs, match=r"not ours to switch .*phone phone-1, port 1\.1.*never taken"):
        check(lease, "phone-1")
    lease.give_back(["phone-0", "phone-3"])
    with pytest.raises(PowerNotOurs, match="never taken"):
        check(lease)
    lease.release()


def test_who_had_a_phone_that_was_released_by_hand_learns_of_it_before_its_next_power_action(tmp_path: Path) -> None:
    former = take(Lease(tmp_path, "a night"), "phone-0", "phone-1")
    released = released_by_hand(tmp_path, lambda held: held.phone == "phone-0", "the fire brigade needs it")
    assert [str(held) for held in released] == ["lab/phone-0"]
    with pytest.raises(PowerNotOurs, match=r"seen released by \S+ at 20.*: the fire brigade needs it\)"):
        check(former)
    check(former, "phone-1")
    latter = take(Lease(tmp_path, "the fire brigade"))
    check(latter)
    latter.release()
    with pytest.raises(PowerNotOurs, match="the fire brigade needs it"):
        check(former)
    (line,) = (tmp_path / "released.jsonl").read_text().splitlines()
    assert (json.loads(line)["of"], json.loads(line)["reason"]) == ("lab/phone-0", "the fire brigade needs it")
    assert [str(held) for held in released_by_hand(tmp_path, None, "all out")] == ["lab/phone-1"]
    with pytest.raises(PowerNotOurs, match="all out"):
        check(former, "phone-1")
    former.release()


def test_what_the_dead_held_is_free_at_once(players: Players) -> None:
    pid = players.holder()
    with pytest.raises(InUse, match=rf"pid {pid}, .*for holding"):
        take(Lease(players.folder, "another"))
    os.kill(pid, signal.SIGKILL)
    assert players.ended() == [-signal.SIGKILL]
    assert Book(players.folder).holders() == ()
    take(Lease(players.folder, "another"), "phone-0", "phone-1").release()


def test_whoever_is_stopped_loses_its_phones_when_they_are_wanted_and_learns_of_it(players: Players) -> None:
    pid = players.holder()
    os.kill(pid, signal.SIGSTOP)
    try:
        here = Machine.this()
        with pytest.raises(InUse):
            take(Lease(players.folder, "too early", machine=replace(here, now=lambda: time.monotonic() + EXPIRY - 5)))
        later = replace(here, now=lambda: time.monotonic() + EXPIRY + 1)
        heir = take(Lease(players.folder, "a night", machine=later))
        robbed = next(holder for holder in Book(players.folder).holders() if holder.pid == pid)
        assert list(robbed.holds) == ["phone-1"]
        assert "lapsed after 60 s without a heartbeat, then taken by" in robbed.lost["phone-0"]
        heir.release()
    finally:
        os.kill(pid, signal.SIGKILL)
        players.ended()


def test_a_lease_that_lapsed_and_that_nobody_wanted_goes_on(tmp_path: Path, machine: Machine, clock: Clock) -> None:
    lease = take(Lease(tmp_path, "a night", machine=machine))
    clock.seconds += 10 * EXPIRY
    (holder,) = Book(tmp_path, machine).holders()
    assert Book(tmp_path, machine).has_lapsed(holder)
    check(lease)
    with pytest.raises(InUse):
        take(Lease(tmp_path, "another", machine=machine))
    lease.release()


def test_whoever_gets_nothing_robs_nobody(tmp_path: Path, machine: Machine, clock: Clock) -> None:
    silent = take(Lease(tmp_path, "a night", machine=machine))
    clock.seconds += EXPIRY + 1
    lively = take(Lease(tmp_path, "another", machine=machine), "phone-1")
    with pytest.raises(InUse, match="phone phone-1"):
        take(Lease(tmp_path, "mine", machine=machine), "phone-0", "phone-1")
    check(silent)
    silent.release()
    lively.release()


def test_whoever_gave_all_back_leaves_nothing(tmp_path: Path) -> None:
    lease = take(Lease(tmp_path, "a night"))
    lease.give_back(["phone-0"])
    take(Lease(tmp_path, "another")).release()
    lease.release()
    assert Book(tmp_path).holders() == ()
    assert list((tmp_path / "tickets").iterdir()) == []


def test_a_thread_tells_that_the_holder_lives(tmp_path: Path) -> None:
    lease = take(Lease(tmp_path, "a night", heartbeat=0.01))
    beats = {Book(tmp_path).holders()[0].beat}
    lease.beat()
    deadline = time.monotonic() + 30
    while len(beats) < 4 and time.monotonic() < deadline:
        threading.Event().wait(0.01)
        beats |= {holder.beat for holder in Book(tmp_path).holders()}
    assert len(beats) >= 4
    lease.release()


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 10 * 365 * 86400.0])
def test_a_clock_that_is_set_moves_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    lease = take(Lease(tmp_path, "a night"))
    then = time.time()
    monkeypatch.setattr(time, "time", lambda: then + jump)
    os.utime(tmp_path / "leases.json", (then + jump, then + jump))
    with pytest.raises(InUse):
        take(Lease(tmp_path, "another"))
    check(lease)
    lease.release()


def test_a_holder_on_another_machine_is_dead_when_its_heartbeat_was_seen_to_stand_still(
    tmp_path: Path, machine: Machine, clock: Clock
) -> None:
    far = Clock(7.0)
    other = Machine("another-pc", "another-boot", far)
    lease = take(Lease(tmp_path, "a night", machine=other))
    mine = Lease(tmp_path, "mine", machine=machine)
    for _ in range(3):  # each heartbeat begins the wait anew
        with pytest.raises(InUse, match="@another-pc"):
            take(mine)
        clock.seconds += EXPIRY - 1
        far.seconds += EXPIRY - 1
        with pytest.raises(InUse, match="@another-pc"):
            take(mine)
        lease.renew()
        clock.seconds += 2
    with pytest.raises(InUse):
        take(mine)
    clock.seconds += EXPIRY + 1
    take(mine)
    with pytest.raises(PowerNotOurs, match="lapsed"):
        check(lease)
    mine.release()
    lease.release()


def test_a_heartbeat_of_the_future_is_waited_for_like_another_machine_s(tmp_path: Path, machine: Machine, clock: Clock) -> None:
    lease = take(Lease(tmp_path, "a night", machine=replace(machine, now=lambda: 1e12)))
    mine = Lease(tmp_path, "mine", machine=machine)
    with pytest.raises(InUse):
        take(mine)
    clock.seconds += EXPIRY + 1
    take(mine).release()
    lease.release()


def test_after_a_restart_of_the_machine_its_old_leases_are_free(tmp_path: Path, machine: Machine) -> None:
    lease = take(Lease(tmp_path, "a night", machine=replace(machine, boot="former-boot")))
    lease._ticket.drop()  # as the kernel does when it goes down
    take(Lease(tmp_path, "after", machine=machine)).release()


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE)
def test_a_damaged_book_wedges_nobody_and_gives_no_phone_to_two(
    tmp_path: Path, content: bytes, clock: Clock, machine: Machine
) -> None:
    lease = take(Lease(tmp_path, "a night", machine=machine))
    other = Lease(tmp_path, "another", machine=machine)
    book = tmp_path / "leases.json"
    book.write_bytes(content)
    assert [holder.nameless for holder in Book(tmp_path).holders()] == [True]
    with pytest.raises(InUse, match="lives and is not in the book"):
        take(other)
    assert (tmp_path / "leases.damaged").read_bytes() == content
    lease.renew()
    with pytest.raises(InUse, match="for a night"):
        take(other)
    take(other, "phone-2")
    check(lease)
    check(other, "phone-2")
    book.write_bytes(content)
    lease.release()
    take(other)
    other.release()


def test_a_book_that_was_lost_while_its_holder_stood_still_is_free_after_all(
    tmp_path: Path, clock: Clock, machine: Machine
) -> None:
    lease = take(Lease(tmp_path, "a night", machine=machine), "phone-0", "phone-1")
    other = Lease(tmp_path, "another", machine=machine)
    (tmp_path / "leases.json").unlink()
    with pytest.raises(InUse):
        take(other)
    clock.seconds += EXPIRY + 1
    take(other)
    for phone in ("phone-0", "phone-1"):
        with pytest.raises(PowerNotOurs, match="lapsed"):
            check(lease, phone)
    lease.release()
    other.release()


def test_a_nameless_holder_is_released_with_all_others(tmp_path: Path) -> None:
    lease = take(Lease(tmp_path, "a night"))
    (tmp_path / "leases.json").unlink()
    assert released_by_hand(tmp_path, None, "start afresh") == (UNWRITTEN,)
    noted = json.loads((tmp_path / "released.jsonl").read_text())
    assert (noted["of"], noted["reason"]) == (UNWRITTEN, "start afresh")
    take(Lease(tmp_path, "another")).release()
    with pytest.raises(PowerNotOurs, match="start afresh"):
        check(lease)
    lease.release()


def test_a_folder_that_was_emptied_is_filled_again(tmp_path: Path) -> None:
    lease = take(Lease(tmp_path, "a night"), "phone-0", "phone-1")
    for file in (tmp_path / "leases.json", *(tmp_path / "tickets").iterdir()):
        file.unlink()
    thief = take(Lease(tmp_path, "another"))
    with pytest.raises(PowerNotOurs, match=r"taken while the book of leases was damaged: .*for another"):
        check(lease)
    check(lease, "phone-1")
    check(thief)
    with pytest.raises(InUse):
        take(thief, "phone-1")
    thief.release()
    lease.release()


def test_what_else_lies_among_the_tickets_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "tickets" / ("0" * 24)).mkdir(parents=True)
    (tmp_path / "tickets" / "notes").write_text("mine")
    take(Lease(tmp_path, "a night")).release()
    assert (tmp_path / "tickets" / ("0" * 24)).is_dir()
    assert (tmp_path / "tickets" / "notes").read_text() == "mine"


def test_a_book_that_cannot_be_had_is_a_fault_within_a_bound(tmp_path: Path) -> None:
    lock = tmp_path / "leases.lock"
    with locked(lock), pytest.raises(LabFault, match=r"does not let go of a lock .*leases\.lock"), locked(lock, 0.05):
        pass
    with locked(lock, 0.05):
        pass


def test_a_ticket_is_made_anew_when_it_was_removed(tmp_path: Path) -> None:
    ticket = Ticket(tmp_path)
    ticket.keep()
    (tmp_path / ticket.name).unlink()
    ticket.keep()
    assert (tmp_path / ticket.name).exists()
    ticket.drop()
    assert not (tmp_path / ticket.name).exists()


def test_a_holder_killed_at_any_step_of_its_life_wedges_nobody(players: Players) -> None:
    killed, step = 0, 0
    while players.play(("life", step := step + 1)) != [0]:
        killed += 1
        assert killed < 500
        after = Lease(players.folder, "after")
        take(after, "phone-0", "phone-1", "phone-2")
        check(after, "phone-2")
        after.release()
        assert Book(players.folder).holders() == ()
        assert list((players.folder / "tickets").iterdir()) == []
    assert killed > 30, "the steps of a life were not seen"


def test_of_many_who_race_for_overlapping_phones_no_two_get_the_same(players: Players) -> None:
    got = players.play(*(("contend", seed) for seed in range(6)))
    assert all(0 <= times <= 25 for times in got), f"a collision, or a fault: {got}"
    assert sum(got) > 25
    assert Book(players.folder).holders() == ()
