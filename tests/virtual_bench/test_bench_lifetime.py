"""Opening, closing and dying: nothing outlives the process that opened the bench but what is written down."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Play = Callable[..., dict[str, Any]]
Start = Callable[..., "subprocess.Popen[str]"]

OPEN_AND_WAIT = """
with bench:
    pids = bench.pids()
    {}
    show(switch=bench._process.pid, **pids)
    sys.stdin.read()
"""


def opened(start: Start, then: str = "pass") -> tuple[subprocess.Popen[str], dict[str, int]]:
    process = start(OPEN_AND_WAIT.format(then))
    assert process.stdout is not None
    pids = json.loads(process.stdout.readline())
    assert isinstance(pids, dict)
    return process, pids


def watch(pids: dict[str, int]) -> list[int]:
    return [os.pidfd_open(pid) for pid in pids.values()]


def all_ended(watched: list[int]) -> bool:
    """Whether every process behind the descriptors ends within 20 seconds each."""
    ended = [bool(select.select([descriptor], [], [], 20)[0]) for descriptor in watched]
    for descriptor in watched:
        os.close(descriptor)
    return all(ended)


def test_whoever_opened_it_is_killed_and_nothing_is_orphaned(start: Start) -> None:
    process, pids = opened(start)
    watched = watch(pids)
    process.kill()
    assert all_ended(watched)


def test_the_switch_is_killed_and_its_phones_go_with_it(start: Start, play: Play) -> None:
    process, pids = opened(start)
    watched = watch(pids)
    os.kill(pids["switch"], signal.SIGKILL)
    assert all_ended(watched)
    process.communicate("")


def test_a_run_killed_between_off_and_on_is_made_good_by_the_next(start: Start, play: Play) -> None:
    process, pids = opened(start, "heard(listen(), {'j179-1 1'}); bench.power('j179-1').off()")
    watched = watch({name: pid for name, pid in pids.items() if name != "j179-1"})
    process.kill()
    assert all_ended(watched)
    facts = play("""
with bench:
    dark = {phone.name: bench.power(phone.name).delivering() for phone in testbed.phones}
    port = listen()
    found = bench.recover()
    show(dark=dark, found=[[entry.bench, entry.phone, entry.port, entry.by] for entry in found],
         booted=heard(port, {"j179-1 2"}), now=bench.power("j179-1").delivering(), again=len(bench.recover()))
""")
    assert facts["dark"] == {"j139-1": True, "j179-1": False, "j189-1": True}
    ((bench, phone, port, by),) = facts["found"]
    assert (bench, phone, port) == ("virtual", "j179-1", "192.0.2.2 1.2")
    assert by.endswith(f"pid {process.pid}")
    assert facts["booted"]
    assert facts["now"]
    assert facts["again"] == 0


def test_a_bench_in_use_names_its_holder(start: Start, play: Play) -> None:
    process, _ = opened(start)
    facts = play("show(second=outcome(bench.open))")
    assert facts["second"][0] == "InUse"
    assert f"pid {process.pid}" in facts["second"][1]
    process.communicate("")
    assert process.returncode == 0


def test_it_opens_again_after_closing_with_threads_about_and_flash_kept(play: Play) -> None:
    facts = play("""
done = threading.Event()
with bench:
    port = listen()
    heard(port, {"j139-1 1"})
    cycle(bench.power("j139-1"))
    first = heard(port, {"j139-1 2"})
    port.close()
threading.Thread(target=done.wait, daemon=True).start()
bench.close()
with VirtualBench(testbed, program=stand_in) as second:
    port = listen()
    heard(port, {"j139-1 3"})
    cycle(second.power("j139-1"))
    again = heard(port, {"j139-1 4"})
    left = alive(second.pids().values())
done.set()
show(first=first, again=again, left=alive(left), links=sorted(name for _, name in socket.if_nameindex()))
""")
    assert facts == {"first": True, "again": True, "left": [], "links": ["lo"]}


def test_a_thread_started_before_is_refused_by_name(play: Play) -> None:
    facts = play("""
done = threading.Event()
threading.Thread(target=done.wait, name="recorder", daemon=True).start()
refused = outcome(bench.open)
done.set()
show(refused=refused, unchanged=os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{os.getppid()}/ns/net"))
""")
    assert facts["refused"][0] == "LabFault"
    assert "before any thread is started" in facts["refused"][1]
    assert "threads recorder" in facts["refused"][1]
    assert facts["unchanged"]


@pytest.mark.usefixtures("without_root")
def test_without_the_right_to_make_networks_it_takes_a_user_namespace(play: Play) -> None:
    if os.geteuid():
        pytest.skip("only root has a right to give up")
    within = ("setpriv", "--bounding-set=-sys_admin,-net_admin", "--inh-caps=-sys_admin,-net_admin")
    facts = play(
        """
user = os.readlink("/proc/self/ns/user")
with bench:
    cycle(bench.power("j139-1"))
    show(moved=user != os.readlink("/proc/self/ns/user"), on=bench.power("j139-1").delivering())
""",
        within=within,
    )
    assert facts == {"moved": True, "on": True}


def test_the_pc_sees_what_phones_say_to_each_other(play: Play) -> None:
    facts = play("""
ETH_P_ALL = 3
with bench, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as mirror:
    mirror.bind((bench.capture_interface, 0))
    mirror.settimeout(20)
    port = listen()
    heard(port, {"j179-1 1"})
    cycle(bench.power("j179-1"))
    heard(port, {"j179-1 2"})
    cycle(bench.power("j139-1"))
    mac = bytes.fromhex(testbed.phone("j139-1").mac.replace(":", ""))
    other = bytes.fromhex(testbed.phone("j179-1").mac.replace(":", ""))
    frame = b""
    while not (frame[6:12] == mac and b"to a neighbour" in frame):
        frame = mirror.recv(2000)
    show(target=frame[:6] == other)
""")
    assert facts == {"target": True}


def test_a_program_that_is_missing_is_a_fault_that_names_it(play: Play) -> None:
    facts = play("""
import hil.virtual.namespaces as namespaces
try:
    namespaces.program("no-such-program")
except LabFault as fault:
    show(said=str(fault))
""")
    assert "the program no-such-program is not installed" in facts["said"]


def test_secrets_of_the_bench_are_for_its_owner_only(play: Play, tmp_path: Path) -> None:
    play("""
with bench:
    show()
""")
    state = tmp_path / "state" / "virtual"
    word = (state / "community").read_text().strip()
    assert len(word) == 32
    holders = [file for file in state.rglob("*") if file.is_file() and word in file.read_text(errors="replace")]
    assert {file.name for file in holders} >= {"community", "snmpd.conf"}
    assert {file.stat().st_mode & 0o077 for file in holders} == {0}
