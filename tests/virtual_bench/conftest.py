"""A virtual bench is opened in a process of its own, since opening one moves the process into another network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("ip", "unshare", "snmpd", "snmpget")

# The stand-in phone takes its address, leaves a grandchild behind, and says for ever on which boot it is.
PHONE = """
import os, socket, subprocess, sys, time
name, address = sys.argv[1:]
subprocess.run(["ip", "address", "add", address + "/24", "dev", "eth0"], check=True)
with open("boots", "a+") as flash:
    flash.write("x")
    flash.flush()
    boots = flash.tell()
subprocess.Popen(["sleep", "600"], start_new_session=True)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
    for _ in range(6000):  # again and again, since nobody may listen yet
        link.sendto(f"{name} {boots}".encode(), ("192.0.2.1", 9))
        link.sendto(b"to a neighbour", ("192.0.2.102", 9))
        time.sleep(0.1)
"""

PRELUDE = """
import json, os, socket, subprocess, sys, threading
from pathlib import Path
from hil.bench.bench import bench_for
from hil.bench.power import *
from hil.bench.testbed import load
from hil.errors import LabFault, Misuse
from hil.virtual.bench import VirtualBench
from hil.virtual.switch import Misbehaviour

testbed = load(os.environ["TESTBED"])
snmp = {**os.environ, "MIBS": ""}

def stand_in(phone, flash, rate):
    return [sys.executable, "-c", os.environ["PHONE"], phone.name, str(phone.address)]

def show(**facts):
    print(json.dumps(facts), flush=True)

def listen():
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.settimeout(20)
    port.bind(("192.0.2.1", 9))
    return port

def heard(port, expected):
    said = set()
    while not expected <= said:
        said.add(port.recv(100).decode())
    return True

def outcome(action):
    try:
        action()
    except LabFault as fault:
        return [type(fault).__name__, str(fault)]
    return ["done", ""]

def alive(pids):
    return [pid for pid in pids if pid and Path(f"/proc/{pid}").exists()]

bench = VirtualBench(testbed, program=stand_in)
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def testbed_file(tmp_path: Path) -> Path:
    """The virtual testbed, with time limits short enough for switches that misbehave."""
    text = (ROOT / "testbeds" / "virtual.yaml").read_text()
    file = tmp_path / "bench.yaml"
    file.write_text(text.replace("  limit: 10\n", "  limit: 2\n  timeout: 1\n").replace("  retries: 5 ", "  retries: 1 "))
    return file


@pytest.fixture
def start(tmp_path: Path, testbed_file: Path) -> Iterator[Start]:
    """Start a script, after `PRELUDE`, as a process of its own; `within` is put before its command."""
    for name in NEEDED:
        if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            pytest.skip(f"the program {name} is not installed")
    running: list[subprocess.Popen[str]] = []
    own = {"HIL_STATE": str(tmp_path / "state"), "TESTBED": str(testbed_file), "PHONE": PHONE, "PYTHONPATH": str(ROOT)}

    def begin(script: str, *, within: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        command = [*within, sys.executable, "-W", "error", "-c", PRELUDE + script]
        process = subprocess.Popen(
            command, env={**os.environ, **own}, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def play(start: Start) -> Callable[..., dict[str, Any]]:
    """Run a script to its end; what its last `show` said."""

    def run(script: str, *, within: tuple[str, ...] = ()) -> dict[str, Any]:
        process = start(script, within=within)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        facts = json.loads(output.splitlines()[-1])
        assert isinstance(facts, dict)
        return facts

    return run
