"""Turns at a switch: one at a time over threads and processes, apart as asked, and never lost with their holder."""

from __future__ import annotations

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hil.bench.power import PowerUnreachable
from hil.bench.power.turn import Turn
from hil.clock import ManualClock, ScaledClock

HOLD = """
import sys
from pathlib import Path
from hil.bench.power.turn import Turn
from hil.clock import ScaledClock
with Turn(Path(sys.argv[1]), "switch", ScaledClock(), 10.0).taken():
    print("mine", flush=True)
    sys.stdin.readline()
"""


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    clock = ManualClock()
    turn = Turn(tmp_path, "switch", clock, 5.0)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        start = clock.now()
        with pytest.raises(PowerUnreachable, match="others speak with the switch without an end"), turn.taken():
            pass
        assert (clock.now() - start).total_seconds() == pytest.approx(5.0, abs=0.1)
        with Turn(tmp_path, "another switch", clock, 5.0).taken():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with turn.taken():
        pass


def test_many_threads_that_take_it_one_after_the_other_are_no_fault(tmp_path: Path) -> None:
    turn, had = Turn(tmp_path, "switch", ScaledClock(), 1.5), []

    def take(number: int) -> None:
        with turn.taken(apart=0.25):
            had.append(number)

    with ThreadPoolExecutor(9) as phones:  # the last has it after two seconds
        for taken in [phones.submit(take, number) for number in range(9)]:
            taken.result()
    assert sorted(had) == list(range(9))


def test_turns_that_ask_for_a_distance_keep_it_whoever_takes_them(tmp_path: Path) -> None:
    clock = ManualClock()
    first, second = (Turn(tmp_path, "switch", clock, 5.0) for _ in range(2))
    start = clock.now()
    with first.taken(apart=30.0):
        pass
    assert clock.now() == start
    clock.advance(10)
    with second.taken():  # a look, which need not wait
        assert (clock.now() - start).total_seconds() == 10
    with second.taken(apart=30.0):
        assert (clock.now() - start).total_seconds() == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize("left_there", ["", "gibberish", "2999-01-01T00:00:00+00:00", "2026-11-27"])
def test_what_else_stands_in_the_file_costs_nobody_time(left_there: str, tmp_path: Path) -> None:
    clock = ManualClock()
    turn = Turn(tmp_path, "switch", clock, 5.0)
    with turn.taken():
        pass
    (file,) = tmp_path.glob("*.turn")
    file.write_text(left_there)
    start = clock.now()
    with turn.taken(apart=30.0):
        assert clock.now() == start
    with turn.taken(apart=30.0):
        assert (clock.now() - start).total_seconds() == pytest.approx(30, abs=0.1)


def test_a_full_disk_costs_a_distance_and_no_power(tmp_path: Path) -> None:
    turn = Turn(tmp_path, "switch", ManualClock(), 5.0)
    with turn.taken():
        pass
    (file,) = tmp_path.glob("*.turn")
    file.unlink()
    file.symlink_to("/dev/full")
    with turn.taken(apart=30.0):
        pass


def test_a_turn_that_cannot_be_had_is_a_fault_that_names_its_file(tmp_path: Path) -> None:
    turn = Turn(tmp_path / "gone", "192.0.2.2", ManualClock(), 5.0)
    with pytest.raises(PowerUnreachable, match=r"turn at the switch 192\.0\.2\.2 cannot be had .*gone.*\.turn"), turn.taken():
        pass
