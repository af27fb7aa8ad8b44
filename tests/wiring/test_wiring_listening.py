"""LLDP between the PC and the virtual phone on one cable: silent until it hears, then heard with all it tells."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, json, os, select, socket, subprocess, time
from hil.bench.tables.lldpdu import ETHERTYPE
from hil.virtual.namespaces import ip
from hil.virtual.phone import lldp
from hil.virtual.phone.unit import Unit
from hil.wiring.listening import ear

ip("link add eth1 type veth peer name phone0", "link set eth1 up", "link set phone0 up")
with ear("eth1") as own, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE)) as watch:
    watch.bind(("eth1", ETHERTYPE))
    lldp.speak("phone0", Unit("J179D02A", "c8:1f:ea:83:01:79", "19WZ17900002", "4.1.3.0.6"))
    silent = not select.select([watch], [], [], 0.3)[0] and own.heard() == ()
    own.announce()
    deadline = time.monotonic() + 20
    while not own.heard() and time.monotonic() < deadline:
        select.select([watch], [], [], 1)
        watch.recv(2048)
    heard = own.heard()
print(json.dumps({"silent": silent, "heard": [dataclasses.asdict(each) for each in heard]}))
"""


def test_a_phone_answers_once_it_has_heard_the_pc(own_network: list[str]) -> None:
    command = [*own_network, sys.executable, "-W", "error", "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["silent"]
    (phone,) = facts["heard"]
    assert (phone["port"], phone["mac"], phone["serial"]) == ("eth1", "c8:1f:ea:83:01:79", "19WZ17900002")
    assert (phone["hardware"], phone["model"], phone["software"]) == ("J179D02A", "J179", "4.1.3.0.6")
