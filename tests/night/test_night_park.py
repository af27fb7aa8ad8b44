"""Phones put back to the lab's normal settings and power, on the virtual bench."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from night_rig import LEFT_OUT, ROOT, Ended, Rig

from hil.bench.testbed import load
from hil.cli.park import normal_of
from hil.errors import Misuse

LAB = 'SET SNTPSRVR "10.0.0.5"\nSET LOGSRVR "10.0.0.5"\n'
PATIENCE = 90.0


def described(rig: Rig, park: Mapping[str, object] | None, **changes: Any) -> Path:
    """The short testbed with that `park`, and the lab's settings beside it."""
    (rig.folder / "lab.txt").write_text(LAB)
    file = rig.testbed("parked", **changes)
    bench = yaml.safe_load(file.read_text())
    if park is not None:
        bench["park"] = dict(park)
    file.write_text(yaml.safe_dump(bench, sort_keys=False))
    return file


class Parking:
    """`hil park` under way."""

    def __init__(self, state: Path, testbed: Path, *words: str) -> None:
        self.state = state
        inherited = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
        command = [sys.executable, "-W", "error", "-m", "hil.cli", "park", *words]
        self.process = subprocess.Popen(
            [*command, "--testbed", str(testbed)],
            env={**inherited, "HIL_STATE": str(state)},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> tuple[int, str]:
        """Exit code, and all that it said."""
        out, error = self.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in error
        assert "Warning" not in error
        return self.process.returncode, out + error

    def until_dark(self) -> None:
        """Wait until a port is off, by the journal."""
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not self.dark and time.monotonic() < deadline:
            pause.wait(0.02)
        assert self.dark

    def kill(self, name: str) -> None:
        """Kill what it has started under that name."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                own = f"HIL_STATE={self.state}".encode() in (folder / "environ").read_bytes().split(b"\0")
                if own and (folder / "comm").read_text().strip() == name:
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:  # gone meanwhile
                continue

    @property
    def dark(self) -> list[str]:
        """The phones that the journal says are without power."""
        for journal in self.state.glob("*/power-journal.json"):
            return [entry["phone"] for entry in json.loads(journal.read_text())["off"]]
        return []

    @property
    def flash(self) -> Path:
        (folder,) = self.state.glob("*/phones/j179-1/flash")
        return folder


@pytest.fixture
def park(tmp_path: Path) -> Iterator[Any]:
    """Starts `hil park`."""
    started: list[Parking] = []

    def begin(testbed: Path, *words: str, state: Path = tmp_path / "state") -> Parking:
        started.append(Parking(state, testbed, *words))
        return started[-1]

    yield begin
    for one in started:
        one.process.kill()
        one.process.communicate()


def test_a_phone_is_cleared_told_what_is_normal_and_left_powered(short_night: Ended, rig: Rig, park: Any) -> None:
    one = park(described(rig, {"settings": "lab.txt"}), state=short_night.state)
    held = [file.name for file in one.flash.glob("profile-*.json")]
    code, said = one.end()
    assert held, "the night left a certificate to delete"
    assert (code, said) == (
        0,
        "j179-1: read what deletes its certificates (firmware 4.1.3.0.6); fetched the lab's settings; on\n",
    )
    assert [*one.flash.glob("profile-*.json")] == []
    assert one.dark == []


def test_several_phones_and_their_facts_as_json(rig: Rig, park: Any) -> None:
    folder = rig.folder / "lab"
    folder.mkdir()
    (folder / "46xxsettings.txt").write_text(LAB + "GET group.txt\n")
    (folder / "group.txt").write_text("SET GROUP 7\n")
    bench = yaml.safe_load((ROOT / "testbeds" / "virtual.yaml").read_text())
    bench["park"] = {"settings": "lab"}
    file = rig.folder / "three.yaml"
    file.write_text(yaml.safe_dump(bench, sort_keys=False))
    code, said = park(file, "j139-1", "j189-1", "--json").end()
    assert code == 0, said
    phones = json.loads(said)["phones"]
    assert [(phone["phone"], phone["cleared"], phone["taken"], phone["powered"]) for phone in phones] == [
        ("j139-1", True, True, True),
        ("j189-1", True, True, True),
    ]


def test_phones_are_sent_to_the_labs_own_server(rig: Rig, park: Any) -> None:
    one = park(described(rig, {"option_242": "HTTPSRVR=192.0.2.1,HTTPPORT=8099"}))
    code, said = one.end()
    assert code == 0, said
    assert "sent to HTTPSRVR=192.0.2.1,HTTPPORT=8099; on" in said
    assert one.dark == []


def test_a_phone_that_never_fetches_is_told_of_and_powered(rig: Rig, park: Any) -> None:
    one = park(described(rig, {"settings": "lab.txt"}, times={"boot_limit": 5}, boot_delay=60))
    assert one.end() == (1, "j179-1: not seen to delete its certificates; not seen to fetch the lab's settings; on\n")
    assert one.dark == []


def test_ended_while_the_phone_is_dark_it_leaves_it_powered(rig: Rig, park: Any) -> None:
    one = park(described(rig, {"settings": "lab.txt"}, times={"off_time": 5}))
    one.until_dark()
    one.process.terminate()
    code, said = one.end()
    assert (code, said) == (130, "j179-1: not seen to delete its certificates; not seen to fetch the lab's settings; on\n")
    assert one.dark == []


def test_what_was_seen_is_told_where_the_way_to_the_labs_server_fails(
    rig: Rig, park: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dnsmasq is started anew to send phones elsewhere, and cannot be."""
    programs = tmp_path / "programs"
    programs.mkdir()
    once = programs / "dnsmasq"
    real = shutil.which("dnsmasq", path=f"{os.environ['PATH']}:/usr/sbin")
    assert real is not None
    once.write_text(f'#!/bin/sh\nrm "$0"\nln -s /bin/false "$0"\nexec {real} "$@"\n')
    once.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    one = park(described(rig, {"option_242": "HTTPSRVR=192.0.2.1"}))
    code, said = one.end()
    assert code == 11, said
    assert said.startswith("j179-1: read what deletes its certificates (firmware 4.1.3.0.6); not seen to ask where to go")
    assert "; on\n" in said
    assert one.dark == []


def test_a_switch_that_dies_is_a_fault_of_the_bench_and_the_phone_is_written_down_as_dark(rig: Rig, park: Any) -> None:
    one = park(described(rig, {"settings": "lab.txt"}, times={"off_time": 2}, mortal=True))
    one.until_dark()
    one.kill("snmpd")
    code, said = one.end()
    assert code == 11, said
    assert "WITHOUT POWER: hil recover; the switch does not answer" in said
    assert one.dark == ["j179-1"]


@pytest.mark.parametrize(
    ("described_as", "said"),
    [
        (None, "park: is missing, so nothing says what is normal"),
        ({}, "needs either settings or option_242"),
        ({"settings": "lab.txt", "option_242": "HTTPSRVR=1.2.3.4"}, "needs either settings or option_242"),
        ({"settings": "nowhere.txt"}, "cannot be read: No such file"),
        ({"settings": "."}, "has no 46xxsettings.txt"),
        ({"option_242": "somewhere else"}, "park.option_242"),
    ],
)
def test_a_testbed_that_does_not_say_what_is_normal_is_refused(
    rig: Rig, described_as: Mapping[str, object] | None, said: str
) -> None:
    with pytest.raises(Misuse) as caught:
        normal_of(load(described(rig, described_as)))
    assert said in str(caught.value)


def test_where_dhcp_is_the_labs_own_phones_cannot_be_sent_elsewhere(rig: Rig) -> None:
    file = described(rig, {"option_242": "HTTPSRVR=10.0.0.5"})
    bench = yaml.safe_load(file.read_text())
    bench["network"]["dhcp"] = False
    file.write_text(yaml.safe_dump(bench, sort_keys=False))
    with pytest.raises(Misuse, match="only that can send phones elsewhere"):
        normal_of(load(file))
