"""`hil doctor` over the whole virtual bench."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from doctor_rig import PLACES, ROOT

from hil.clock import ManualClock
from hil.doctor.checks import CHECKS
from hil.scep.authority import Authority

VIRTUAL = ROOT / "testbeds" / "virtual.yaml"


def doctor(folder: Path, testbed: Path, *words: str, path: str = PLACES) -> subprocess.CompletedProcess[str]:
    own = {"HIL_STATE": str(folder / "state"), "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    command = [sys.executable, "-W", "error", "-m", "hil.cli", "doctor", "--testbed", str(testbed), *words]
    return subprocess.run(command, env={**os.environ, **own}, cwd=folder, capture_output=True, text=True, timeout=180)


def test_a_bench_that_is_fit(tmp_path: Path) -> None:
    done = doctor(tmp_path, VIRTUAL, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ready"] is True
    states = {each["check"]: each["state"] for each in told["checks"]}
    assert list(states) == [check.name for check in CHECKS]
    assert states.pop("clock") in ("ok", "not told")  # as this machine has it
    assert set(states.values()) == {"ok"}, told
    assert all(each["remedy"] is None for each in told["checks"])


def test_a_bench_that_is_broken_in_three_ways_on_one_screen(tmp_path: Path) -> None:
    """Each is named with its remedy, what needs it is not asked, and everything else is."""
    testbed = tmp_path / "bench.yaml"
    testbed.write_text(VIRTUAL.read_text().replace("switch_port: p1.2", "switch_port: p1.7"))
    long_ago = ManualClock(datetime.now(UTC) - timedelta(days=40 * 365))
    Authority.create("J100 bench CA", long_ago).save(tmp_path / "state" / "virtual" / "ca")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("ip", "bridge", "unshare", "setpriv", "snmpd", "dnsmasq", "dumpcap", "hostapd", "ss", "sh", "mount"):
        place = next((file for folder in PLACES.split(":") if (file := Path(folder) / name).exists()), None)
        if place is not None:
            (programs / name).symlink_to(place)
    done = doctor(tmp_path, testbed, "--quick", path=str(programs))
    assert done.returncode == 10, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    rows = {line[:11].strip(): line for line in lines if line[:1].strip()}
    assert "not ok" in rows["tshark"]
    assert "not ok" in rows["CA"]
    assert "j179-1: wrong port: is on p1.2, should be on p1.7" in rows["wiring"]
    assert "not asked  because CA is not ok" in rows["servers"]
    assert "not asked  because servers was not asked" in rows["enrolment"]
    for name in ("testbed", "disk", "bench", "ports", "capture", "load", "DHCP", "switch", "edge port"):
        assert f"{name:<11}ok " in rows[name], rows[name]
    assert "-> apt-get install tshark" in done.stdout
    assert "-> plug it into p1.7" in done.stdout
    assert lines[-1] == "not ready: tshark, CA, wiring"


def test_a_termination_leaves_no_phone_dark(tmp_path: Path) -> None:
    testbed = tmp_path / "bench.yaml"
    testbed.write_text(VIRTUAL.read_text().replace("off_time: 0.1 ", "off_time: 2 "))
    journal = tmp_path / "state" / "virtual" / "power-journal.json"
    own = {"HIL_STATE": str(tmp_path / "state"), "PATH": PLACES, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "-m", "hil.cli", "doctor", "--testbed", str(testbed)]
    with subprocess.Popen(command, env={**os.environ, **own}, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        deadline, pause = time.monotonic() + 120, threading.Event()
        while not dark(journal) and time.monotonic() < deadline and process.poll() is None:
            pause.wait(0.02)
        was_dark = dark(journal)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert was_dark
    assert (process.returncode, said) == (130, "")
    assert not dark(journal)


def dark(journal: Path) -> bool:
    """Whether a phone is without power, by what is written down."""
    return journal.exists() and bool(json.loads(journal.read_text())["off"])


def test_a_testbed_that_cannot_be_read_leaves_little_to_ask(tmp_path: Path) -> None:
    testbed = tmp_path / "bench.yaml"
    testbed.write_text(VIRTUAL.read_text().replace("interface: lab0", "interface: [lab0]"))
    done = doctor(tmp_path, testbed)
    assert done.returncode == 10
    assert "network.interface" in done.stdout
    assert "not asked  because testbed is not ok" in done.stdout
    assert done.stdout.splitlines()[-1] == "not ready: testbed"
