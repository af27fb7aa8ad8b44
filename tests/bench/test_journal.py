"""The journal of ports turned off: nothing that was written down is ever lost, whenever the writer dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.bench.power import PowerRefused, cycle
from hil.bench.power.journal import Journal, JournaledPort, recover
from hil.errors import LabFault, Misuse

KILLED = 12


class Relay:
    """A power port of a relay box with one wire: a file that is there while power is on."""

    def __init__(self, wire: Path, *, jammed: str = "") -> None:
        self._wire = wire
        self.jammed = jammed

    @property
    def label(self) -> str:
        return self._wire.name

    def on(self) -> None:
        if self.jammed == "on":
            raise PowerRefused("jammed", port=self.label)
        self._wire.touch()

    def off(self) -> None:
        if self.jammed == "off":
            raise PowerRefused("jammed", port=self.label)
        self._wire.unlink()

    def delivering(self) -> bool:
        return self._wire.exists()


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    (tmp_path / "relay-1").touch()
    return Relay(tmp_path / "relay-1")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "power-journal.json", "lab")


def test_a_port_is_written_down_before_it_goes_off_and_struck_out_once_it_is_on(journal: Journal, relay: Relay) -> None:
    port = JournaledPort(relay, journal, "j179-1")
    port.off()
    (entry,) = journal.pending()
    assert (entry.bench, entry.phone, entry.port) == ("lab", "j179-1", "relay-1")
    assert f"pid {os.getpid()}" in entry.by
    assert entry.at.endswith("+00:00")
    port.on()
    assert journal.pending() == ()


def test_a_port_whose_off_failed_stays_written_down(journal: Journal, relay: Relay) -> None:
    relay.jammed = "off"
    with pytest.raises(PowerRefused):
        JournaledPort(relay, journal, "j179-1").off()
    assert [entry.phone for entry in journal.pending()] == ["j179-1"]


def test_cycle_turns_on_even_when_off_failed(journal: Journal, relay: Relay, tmp_path: Path) -> None:
    relay.off()
    relay.jammed = "off"
    with pytest.raises(PowerRefused):
        cycle(JournaledPort(relay, journal, "j179-1"))
    assert relay.delivering()
    assert journal.pending() == ()


def test_recovery_tries_every_port_and_then_tells_of_the_first_fault(journal: Journal, tmp_path: Path) -> None:
    good, bad = Relay(tmp_path / "good"), Relay(tmp_path / "bad", jammed="on")
    for phone in ("bad", "gone", "good"):
        journal.will_turn_off(phone, phone)

    def port_of(phone: str) -> JournaledPort:
        if phone == "gone":
            raise Misuse("has no phone 'gone'")
        return JournaledPort({"good": good, "bad": bad}[phone], journal, phone)

    with pytest.raises(LabFault, match=r"plugged in.*power-journal\.json.*phone bad.*port bad.*jammed"):
        recover(journal, port_of)
    assert good.delivering()
    assert {entry.phone for entry in journal.pending()} == {"bad", "gone"}
    bad.jammed = ""
    with pytest.raises(LabFault, match=r"no longer in the testbed.*power-journal\.json.*phone gone.*port gone"):
        recover(journal, port_of)
    assert {entry.phone for entry in journal.pending()} == {"gone"}


def test_a_phone_of_which_nobody_knows_whose_it_is_keeps_no_other_dark(journal: Journal, tmp_path: Path) -> None:
    relay = Relay(tmp_path / "relay")
    for phone in ("unknown", "ours"):
        journal.will_turn_off(phone, phone)

    def free(phone: str) -> bool:
        if phone == "unknown":
            raise LabFault("labgrid's coordinator is away")
        return True

    with pytest.raises(LabFault, match="coordinator is away"):
        recover(journal, lambda phone: JournaledPort(relay, journal, phone), free=free)
    assert [entry.phone for entry in journal.pending()] == ["unknown"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"off": [{}]}', '{"off": [{"phone": "a", "x": 1}]}', "\x00\x01"])
def test_a_journal_that_cannot_be_read_is_named_and_never_overwritten(tmp_path: Path, journal: Journal, content: str) -> None:
    file = tmp_path / "power-journal.json"
    file.write_text(content)
    for attempt in (journal.pending, lambda: journal.will_turn_off("j179-1", "1.1"), lambda: journal.is_on("j179-1")):
        with pytest.raises(LabFault, match=r"power-journal\.json"):
            attempt()
    assert file.read_text() == content


def test_a_writer_killed_at_any_instant_leaves_a_journal_that_reads(tmp_path: Path, journal: Journal) -> None:
    script = (
        "import sys; from pathlib import Path; from hil.bench.power.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]), 'lab'); journal.will_turn_off('first', '1.1'); print(flush=True)\n"
        "while True: journal.will_turn_off('second', '1.2'); print(flush=True); journal.is_on('second')\n"
    )
    for number in range(KILLED):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "power-journal.json")], stdout=subprocess.PIPE
        ) as child:
            assert child.stdout is not None
            for _ in range(1 + number % 7):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        assert {entry.phone for entry in journal.pending()} in ({"first"}, {"first", "second"})
        json.loads((tmp_path / "power-journal.json").read_text())
