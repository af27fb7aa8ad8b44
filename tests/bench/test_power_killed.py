"""A run that is killed, wherever that is, leaves no port off: the next one finds it in the journal."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from power_rigs import PHONES, RIGS, SECRETS, Rig
from power_simulators.box import Box
from power_testbeds import around

from hil.bench.power.journal import Journal

RANDOM_KILLS = 200
MOST_STEPS = 100
FILE_STEPS = 4
"""Steps of one change of the journal: open a draft, sync it, put it in the journal's place, sync the folder. An order has two: it
is carried out, and looked after."""

SEED = 5
KILLED, TOLD = -signal.SIGKILL, 1
"""How a run ends that was killed, and one that told of a fault."""

WITHOUT_RIGHTS_OF_ROOT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
"""Root may write where nobody may; this takes that from it."""

Dark = Callable[[], set[str]]


class Bench:
    """A bench and its runs; `dark` tells the phones without power."""

    def __init__(self, dark: Dark, process: subprocess.Popen[str], said: Path) -> None:
        self.state = Path(os.environ["HIL_STATE"]) / "lab"
        self.file = self.state / "power-journal.json"
        self.draft = self.file.with_suffix(".new")
        self.dark = dark
        self._journal = Journal(self.file, "lab")
        self._process = process
        self._said = said
        self._dark_at = 1

    def play(
        self, what: str, *, step: int | None = None, seconds: float | None = None, began: Callable[[int], None] = lambda _: None
    ) -> tuple[int, float]:
        """How a run ended, and how long it took; killed before a step of it, or after seconds. `began` is told its process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, step, seconds]) + "\n")
        self._process.stdin.flush()
        began(json.loads(self._process.stdout.readline()))
        code, took = json.loads(self._process.stdout.readline())
        return code, took

    @property
    def said(self) -> str:
        """What runs told of faults."""
        return self._said.read_text()

    def written_down(self) -> set[str]:
        """The phones that the journal names."""
        return {entry.phone for entry in self._journal.pending()}

    def recovers(self) -> None:
        """Whatever is dark is written down, and no longer either once a run has recovered it."""
        dark = self.dark()
        assert dark <= self.written_down()
        assert self.play("recover")[0] == 0, self.said
        assert self.dark() == self.written_down() == set()

    def leave_dark(self) -> None:
        """Let a run be killed that had turned every phone off."""
        while self.dark() != set(PHONES):
            assert self._dark_at < MOST_STEPS
            if self.play("cycle", step=self._dark_at)[0] == KILLED and self.dark() == set(PHONES):
                return
            self._dark_at += 1
            self.play("recover")


@contextlib.contextmanager
def runs(file: Path, dark: Dark, within: Sequence[str] = ()) -> Iterator[Bench]:
    """The bench of a testbed file."""
    command = [*within, sys.executable, "-W", "error", str(Path(__file__).with_name("killed_runs.py")), str(file)]
    said = file.with_name("said")
    with (
        said.open("w") as told,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True) as process,
    ):
        try:
            yield Bench(dark, process, said)
        finally:
            process.communicate(timeout=30)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)


Links = tuple[Path, Dark]


def linked(folder: Path, turn_off: Sequence[str] = ("ln", "-sfn", "off", "{outlet}")) -> Links:
    """A testbed whose ports are links to `on` or `off`, which every PC has programs for; and what is dark there."""
    for phone in PHONES:
        (folder / phone).symlink_to("on")
    words = {"turn_on": ["ln", "-sfn", "on", "{outlet}"], "turn_off": list(turn_off), "status": ["readlink", "{outlet}"]}
    outlets = ({"outlet": PHONES[0]}, {"outlet": PHONES[1]})
    rig = Rig({"kind": "command", **words}, outlets, Box(PHONES), PHONES, folder)
    return around(rig).file, lambda: {phone for phone in PHONES if (folder / phone).readlink() == Path("off")}


@pytest.fixture
def links(tmp_path: Path) -> Links:
    """Ports that are switched as fast as a program starts."""
    return linked(tmp_path)


def test_killed_before_each_step_it_leaves_no_port_off(links: Links) -> None:
    kills = {"cycle": 0, "recover": 0}
    with runs(*links) as bench:
        for what in kills:
            for step in range(1, MOST_STEPS):
                if what == "recover":
                    bench.leave_dark()
                code, _ = bench.play(what, step=step)
                bench.recovers()
                if code == 0:
                    break
                assert code == KILLED
                kills[what] += 1
            assert code == 0
    assert kills["cycle"] >= 4 * (FILE_STEPS + 2)
    assert kills["recover"] >= 2 * (FILE_STEPS + 2)


def test_killed_at_any_instant_it_leaves_no_port_off(links: Links) -> None:
    chance, kills = random.Random(SEED), 0
    with runs(*links) as bench:
        _, whole = bench.play("cycle")
        while kills < RANDOM_KILLS:
            code, took = bench.play("cycle", seconds=chance.uniform(0, whole))
            if code != KILLED:
                assert code == 0, bench.said
                whole = took
                continue
            kills += 1
            bench.recovers()


@pytest.mark.parametrize("way", [way for way in RIGS if way != "person"])
def test_killed_at_each_order_to_a_switch_it_leaves_no_port_off(way: str, tmp_path: Path) -> None:
    with RIGS[way](tmp_path) as rig, runs(around(rig).file, dark_of(rig)) as bench:
        for number in range(1, 2 * len(PHONES) + 1):
            assert bench.play("cycle", began=functools.partial(kill_at_order, rig.box, number))[0] == KILLED
            bench.recovers()


def kill_at_order(box: Box, number: int, pid: int) -> None:
    """Kill a process when its order of that number has arrived, and before the box carries it out."""
    so_far = len(box.orders)

    def kill() -> None:
        if len(box.orders) == so_far + number:
            os.kill(pid, signal.SIGKILL)

    box.on_order = kill


def dark_of(rig: Rig) -> Dark:
    return lambda: {phone for phone, name in zip(PHONES, rig.names, strict=True) if not rig.box.ports[name].power}


def test_what_a_killed_run_had_begun_to_turn_off_is_not_the_last_word(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "gate")
    turn_off = ("sh", "-c", 'kill -9 $PPID; read -r _ < gate; ln -sfn off "$0"', "{outlet}")
    with runs(*linked(tmp_path, turn_off)) as bench, ThreadPoolExecutor(1) as thread:
        assert bench.play("cycle")[0] == KILLED
        recovery = thread.submit(bench.play, "recover")
        assert not wait([recovery], timeout=1).done  # since the command of the killed run is still under way
        (tmp_path / "gate").write_text("go on\n")
        assert recovery.result(30)[0] == 0, bench.said
        assert bench.dark() == bench.written_down() == set()


def test_with_no_room_on_the_disk_what_is_dark_goes_on_and_stays_written_down(links: Links) -> None:
    with runs(*links) as bench:
        bench.leave_dark()
        before = bench.file.read_bytes()
        bench.draft.unlink(missing_ok=True)
        bench.draft.symlink_to("/dev/full")
        assert bench.play("recover")[0] == TOLD
        assert (bench.dark(), bench.file.read_bytes()) == (set(), before)
        assert bench.play("cycle")[0] == TOLD
        assert bench.dark() == set()
        bench.draft.unlink()
        bench.recovers()


def test_with_a_journal_that_cannot_be_written_no_port_goes_off(links: Links) -> None:
    within = WITHOUT_RIGHTS_OF_ROOT if os.geteuid() == 0 else ()
    with runs(*links, within=within) as bench:
        assert bench.play("cycle")[0] == 0
        for folder in (bench.state, bench.state.parent):
            folder.chmod(0o500)
            assert bench.play("cycle")[0] == TOLD
            assert bench.dark() == bench.written_down() == set()
            folder.chmod(0o700)
            bench.leave_dark()
            folder.chmod(0o500)
            assert bench.play("recover")[0] == TOLD
            folder.chmod(0o700)
            assert bench.written_down() == set(PHONES)
            bench.recovers()


def test_ended_from_outside_between_off_and_on_the_command_leaves_no_phone_dark(tmp_path: Path) -> None:
    file, dark = linked(tmp_path, ("sh", "-c", 'ln -sfn off "$0"; kill -TERM $PPID', "{outlet}"))
    command = [sys.executable, "-m", "hil.cli", "power", "cycle", PHONES[0], "--testbed", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode not in (0, -signal.SIGTERM), done.stderr
    assert "Traceback" not in done.stderr
    assert (
        dark() == {entry.phone for entry in Journal(tmp_path / "state" / "lab" / "power-journal.json", "lab").pending()} == set()
    )
