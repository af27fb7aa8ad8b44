"""What every way of power owes its user, each over its real wire: the same tests of all, and a table of ways and faults."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from power_rigs import AMPLE, PHONES, RIGS, SECRETS, SHORT, Rig
from power_simulators.box import Mischief
from power_testbeds import around

from hil.bench.outlets import Outlets
from hil.bench.power import (
    PowerBusy,
    PowerFault,
    PowerInterrupted,
    PowerNotApplied,
    PowerRefused,
    PowerTimedOut,
    PowerUnreachable,
    cycle,
)
from hil.bench.power.journal import Journal
from hil.errors import Misuse

Outcome = type[PowerFault] | None | str
"""A fault, None for done, or why there is no such thing."""

NO_SESSIONS = "a: there are no sessions to run out of"
NO_WORD = "b: a relay box has no word for no"
A_HAND = "c: nobody but the person sees what the hand did"
READ_AS_SET = "d: power is what the outlet is set to"

EVERY = dict.fromkeys(RIGS)
EXPECTED: dict[Mischief, dict[str, Outcome]] = {
    Mischief.NONE: {**EVERY},
    Mischief.SLOW: {**EVERY, "person": A_HAND},
    Mischief.STUCK: {
        **dict.fromkeys(RIGS, PowerTimedOut),
        "relay": READ_AS_SET,
        "command": READ_AS_SET,
        "person": A_HAND,
    },
    Mischief.SILENT: {**dict.fromkeys(RIGS, PowerUnreachable)},
    Mischief.REFUSE: {**dict.fromkeys(RIGS, PowerRefused), "relay": NO_WORD},
    Mischief.IGNORE: {**dict.fromkeys(RIGS, PowerNotApplied), "person": A_HAND},
    Mischief.WRONG_PORT: {**dict.fromkeys(RIGS, PowerNotApplied), "person": A_HAND},
    Mischief.FULL: {**dict.fromkeys(RIGS, NO_SESSIONS), "SSH": PowerBusy, "serial": PowerBusy, "relay": PowerBusy},
    Mischief.REBOOT: {**dict.fromkeys(RIGS, PowerInterrupted), "SNMP v2c": PowerUnreachable, "SNMP v3": PowerUnreachable},
}
GONE = {"SNMP v2c", "SNMP v3", "relay", "person"}
"""Ways whose simulator does not come back from a reboot."""

CELLS = [(way, how) for how, row in EXPECTED.items() for way, outcome in row.items() if not isinstance(outcome, str)]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, word in SECRETS.items():
        monkeypatch.setenv(name, word)


@pytest.fixture
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    with RIGS[request.param](tmp_path) as rig:
        rig.way = request.param
        yield rig


each_way = pytest.mark.parametrize("rig", RIGS, indirect=True)
met: dict[tuple[str, Mischief], str] = {}


def outcome_of(action: Callable[[], None]) -> PowerFault | None:
    try:
        action()
    except PowerFault as fault:
        return fault
    return None


@pytest.mark.parametrize(("rig", "how"), CELLS, indirect=["rig"], ids=[f"{way}-{how}" for way, how in CELLS])
def test_off_is_done_or_says_why_not(rig: Rig, how: Mischief) -> None:
    way = rig.way
    ours, other = (rig.box.ports[name] for name in rig.names)
    expected = EXPECTED[how][way]
    no_answer = how is Mischief.SILENT or (how is Mischief.REBOOT and way in GONE)
    with rig.connected(timeout=SHORT if no_answer else AMPLE) as (port, _):
        with rig.wrong(how):
            fault = outcome_of(port.off)
        met[way, how] = type(fault).__name__ if fault else "done"
        assert fault is None if expected is None else type(fault) is expected, fault
        assert ours.power is (fault is not None)
        assert other.power is (how is not Mischief.WRONG_PORT)
        if fault is not None:
            assert f"(bench lab, phone one, port {port.label}, tried " in str(fault)
            assert not [word for word in SECRETS.values() if word in str(fault)]
        if how is not Mischief.REBOOT or way not in GONE:
            with contextlib.closing(rig.switch()):  # the simulator is itself again, and nothing of the fault hangs on
                port.on()
                assert port.delivering()
    assert rig.is_idle()


@each_way
def test_off_is_what_is_read_back_and_power_comes_back(rig: Rig) -> None:
    with rig.connected() as (one, two):
        assert one.delivering()
        one.off()
        assert not one.delivering()
        assert not rig.box.ports[rig.names[0]].power
        assert two.delivering()
        cycle(one)
        assert one.delivering()
        assert rig.box.ports[rig.names[0]].power
    assert {name for name, _ in rig.box.orders} == {rig.names[0]}
    assert rig.is_idle()


@each_way
def test_a_phone_is_dark_for_the_shortest_off_time_and_two_go_on_apart(rig: Rig) -> None:
    with rig.connected(off_time=100, stagger=40) as (one, two):
        one.off()
        two.off()
        start = rig.clock.now()
        one.on()
        first = rig.clock.now()
        two.on()
        assert 99 <= (first - start).total_seconds() < 110
        assert 40 <= (rig.clock.now() - first).total_seconds() < 50


@each_way
def test_a_port_is_written_down_before_it_goes_off(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    outlets = Outlets(around(rig))
    outlets.take()
    try:
        outlets.connect()
        journal = Journal(outlets.state / "power-journal.json", "lab")
        seen: list[list[str]] = []
        rig.box.on_order = lambda: seen.append([entry.phone for entry in journal.pending()])
        outlets.port("one").off()
        assert seen == [["one"]]
        assert [entry.phone for entry in outlets.recover()] == ["one"]
        assert journal.pending() == ()
        assert rig.box.ports[rig.names[0]].power
    finally:
        outlets.close()


@each_way
def test_ports_that_are_not_in_the_testbed_are_refused(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    outlets = Outlets(around(rig, phones=PHONES[:1]))
    outlets.take()
    try:
        outlets.connect()
        for stranger in ("two", rig.names[1]):
            with pytest.raises(Misuse, match="has no phone"):
                outlets.port(stranger)
    finally:
        outlets.close()
    assert rig.box.orders == []


@each_way
def test_power_is_measured_where_the_wire_tells(rig: Rig) -> None:
    with rig.connected() as (one, _):
        measures = rig.way in ("SNMP v2c", "SSH", "serial")
        assert one.watts() == (pytest.approx(3.4) if measures else None)


ONE_OF_TWO = """
import sys
from pathlib import Path
from hil.bench.power import cycle
from hil.bench.power import Wiring
from hil.bench.power.ways import find_way
from hil.bench.testbed import load
from hil.clock import ScaledClock
testbed = load(sys.argv[1])
turns = testbed.file.parent
wiring = Wiring(ScaledClock(), 0.01, str(turns), str(testbed.file), turns)
switch = find_way(testbed.power.kind, file=testbed.file).connect(testbed.power, wiring)
port = switch.port(testbed.phone(sys.argv[2]).power, bench="lab", phone=sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(2):
    cycle(port)
switch.close()
"""


@pytest.mark.parametrize("rig", ["SSH", "serial", "relay"], indirect=True)
def test_processes_take_turns_at_a_switch_that_has_one_session(rig: Rig) -> None:
    file = around(rig).file
    command = [sys.executable, "-W", "error", "-c", ONE_OF_TWO, str(file)]
    processes = [
        subprocess.Popen([*command, phone], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for phone in PHONES
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert ends == [("", 0), ("", 0)]
    assert sorted(rig.box.orders) == sorted((name, on) for name in rig.names for on in (False, True) for _ in range(2))
    assert all(port.power for port in rig.box.ports.values())


def test_the_table_is_printed(tell_at_the_end: Callable[[str, str], None]) -> None:
    missing = [cell for cell in CELLS if cell not in met]
    if missing:
        pytest.skip("not every cell was played in this process")
    table = _table()
    tell_at_the_end("ways of power and faults of switches", table)
    page = (Path(__file__).parents[2] / "docs" / "power.md").read_text()
    assert textwrap.indent(table, "    ") in page, "docs/power.md does not have the table that is printed below: put it there"


def _table() -> str:
    rows = [("fault of the switch", *RIGS)]
    for how, row in EXPECTED.items():
        shown = (f"- ({row[way][0]})" if isinstance(row[way], str) else met[way, how].removeprefix("Power") for way in RIGS)
        rows.append((how.value, *shown))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", *(reason for reason in (NO_SESSIONS, NO_WORD, A_HAND, READ_AS_SET))])
