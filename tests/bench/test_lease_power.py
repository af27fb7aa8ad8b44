"""Leases at work: outlets, `hil power`, `hil recover`, `hil who` and `hil release` beside a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from power_rigs import Rig, usb_relay
from power_testbeds import around

from hil.bench.claim import Use
from hil.bench.lease import InUse
from hil.bench.outlets import Outlets
from hil.bench.power import PowerNotOurs
from hil.bench.power.journal import Journal
from hil.bench.testbed import Testbed
from hil.cli.main import main
from hil.errors import LabFault

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with usb_relay(tmp_path) as made:
        yield made


@pytest.fixture
def testbed(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Testbed:
    monkeypatch.setenv("HIL_STATE", str(tmp_path / "state"))
    return around(rig)


@pytest.fixture
def run(testbed: Testbed) -> Iterator[Outlets]:
    """A run that plays on phone `one` alone."""
    outlets = Outlets(testbed, Use("the run of tonight", ("one",)))
    outlets.take()
    outlets.connect()
    yield outlets
    outlets.close()


def hil(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """What the command ends with and says."""
    monkeypatch.setattr("sys.argv", ["hil", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    code = ended.value.code
    return code if isinstance(code, int) else 0, said.out + said.err


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return lambda *words: hil(capsys, monkeypatch, *words)


def test_power_by_hand_beside_a_run_is_for_phones_that_the_run_does_not_have(
    rig: Rig, testbed: Testbed, run: Outlets, command: Command
) -> None:
    file = str(testbed.file)
    code, said = command("power", "off", "one", "--testbed", file)
    assert code == 11
    assert "the phone is in use (bench lab, phone one" in said
    assert "for the run of tonight" in said
    assert command("power", "status", "one", "--testbed", file)[0] == 0
    assert command("power", "cycle", "two", "--testbed", file)[0] == 0
    assert {name for name, _ in rig.box.orders} == {rig.names[1]}
    run.port("one").off()
    assert not run.port("one").delivering()


def test_a_second_run_is_refused_the_bench_even_for_another_phone(testbed: Testbed, run: Outlets) -> None:
    with pytest.raises(InUse, match="the bench is in use"):
        Outlets(testbed, Use("another run", ("two",))).take()


def test_two_benches_that_name_the_same_phone_share_it(rig: Rig, testbed: Testbed, run: Outlets) -> None:
    other = Outlets(testbed.model_copy(update={"name": "lab-of-friends"}), Use("another run", ("one",), whole=False))
    with pytest.raises(InUse, match="bench lab, phone one"):
        other.take()


def test_a_run_whose_phone_was_released_switches_it_no_more(rig: Rig, run: Outlets, command: Command) -> None:
    run.port("one").off()
    code, said = command("release", "one", "--reason", "")
    assert (code, "--reason: is empty" in said) == (2, True)
    assert command("release", "one", "--reason", "needed for a demonstration") == (0, "lab/one: released\n")
    orders = list(rig.box.orders)
    for act in (run.port("one").on, run.port("one").off):
        with pytest.raises(PowerNotOurs, match=r"bench lab, phone one, port .*released by .*: needed for a demonstration"):
            act()
    assert rig.box.orders == orders
    assert [entry.phone for entry in Journal(run.state / "power-journal.json", "lab").pending()] == ["one"]


def test_a_run_whose_bench_was_released_switches_nothing_more(rig: Rig, run: Outlets, command: Command) -> None:
    assert command("release", "lab", "--reason", "the PC is needed") == (0, "lab: released\n")
    with pytest.raises(PowerNotOurs, match="the PC is needed"):
        run.port("one").off()
    assert rig.box.orders == []


def test_a_full_disk_keeps_no_phone_dark_as_long_as_the_lease_holds(
    run: Outlets, testbed: Testbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = run.port("one")
    port.off()
    draft = run.state.parent / "leases.new"
    draft.symlink_to("/dev/full")
    port.on()
    assert port.delivering()
    monkeypatch.setattr("hil.bench.lease_book.EXPIRY", -1.0)
    with pytest.raises(LabFault, match=r"the book of leases cannot be kept.*No space left"):
        port.on()
    draft.unlink()


def test_recovery_leaves_alone_what_others_have_and_keeps_nothing(
    rig: Rig, testbed: Testbed, run: Outlets, command: Command
) -> None:
    run.port("one").off()
    command("power", "off", "two", "--testbed", str(testbed.file))
    code, said = command("recover", "--testbed", str(testbed.file))
    assert (code, said.startswith("two: on again")) == (0, True), said
    assert not rig.box.ports[rig.names[0]].power
    assert rig.box.ports[rig.names[1]].power
    command("power", "off", "two", "--testbed", str(testbed.file))
    assert [entry.phone for entry in run.recover()] == ["one", "two"]
    assert "lab/two" not in command("who")[1]


def test_with_a_damaged_book_nobody_is_told_that_all_is_free(run: Outlets, command: Command) -> None:
    book = run.state.parent / "leases.json"
    book.write_text("{bad")
    code, said = command("who")
    assert code == 0
    assert f"{book} is damaged" in said
    assert "a process that lives and is not in the book" in said
    assert '"purpose": "a process that lives' in command("who", "--json")[1]
    code, said = command("release", "lab/one", "--reason", "x")
    assert code == 2
    assert "nobody has 'lab/one', unless it is a process that is not in the book; ask again when" in said
    assert command("release", "--all", "--reason", "the switch") == (0, "what a process has that is not in the book: released\n")
    assert "the switch" in (book.parent / "released.jsonl").read_text()


def test_who_shows_who_has_what(testbed: Testbed, run: Outlets, command: Command) -> None:
    code, said = command("who")
    heading, *rows = said.splitlines()
    assert (code, heading.split()) == (0, ["phone", "user", "host", "pid", "since", "for", "heartbeat"])
    assert sorted(row.split()[0] for row in rows) == ["lab", "lab/one"]
    assert all("the run of tonight" in row and row.endswith(" s ago") for row in rows)
    facts = json.loads(command("who", "--json")[1])
    assert {(each["bench"], each["phone"], each["silent"]) for each in facts} == {("lab", "one", False), ("lab", None, False)}
    assert facts[0].keys() == {"bench", "phone", "user", "host", "pid", "since", "purpose", "heartbeat", "silent"}
    run.close()
    assert command("who") == (0, "nobody has a phone\n")
    assert command("who", "--json") == (0, "[]\n")


def test_what_is_to_be_released_is_one_thing_that_somebody_has(testbed: Testbed, run: Outlets, command: Command) -> None:
    code, said = command("release", "two", "--reason", "so")
    assert (code, "nobody has 'two'; taken: lab, lab/one" in said) == (2, True)
    for words in (("release", "--reason", "so"), ("release", "one", "--all", "--reason", "so")):
        assert command(*words)[0] == 2
    virtual = Outlets(testbed.model_copy(update={"name": "lab-2"}), Use("more", ("two",), whole=False))
    virtual.take()
    assert command("release", "lab-2/two", "--reason", "so") == (0, "lab-2/two: released\n")
    assert command("release", "--all", "--reason", "so") == (0, "lab/one: released\nlab: released\n")
    assert command("release", "--all", "--reason", "so") == (0, "nobody has a phone\n")
    virtual.close()


def test_a_bench_that_cannot_be_had_holds_nothing(testbed: Testbed, run: Outlets, command: Command) -> None:
    with pytest.raises(LabFault):
        Outlets(testbed, Use("all")).take()
    assert "lab/two" not in command("who")[1]
