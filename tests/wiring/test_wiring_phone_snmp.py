"""A phone asked by SNMP: the virtual phone's agent, read by pysnmp and, as a second opinion, by net-snmp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pysnmp.proto import api

from hil.virtual.phone.management import answer, objects
from hil.virtual.phone.unit import Unit

ROOT = Path(__file__).parents[2]
PHONE = Unit("J179D02A", "c8:1f:ea:83:01:79", "19WZ17900002", "4.1.3.0.6")
OIDS = [f"1.3.6.1.4.1.6889.2.69.6.1.{number}.0" for number in (4, 50, 52, 57)]

SCRIPT = """
import dataclasses, json, subprocess, sys
from hil.bench.phone_snmp import PhoneSnmp
from hil.secret import Secret
from hil.virtual.phone import management, network
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings, known
from hil.virtual.phone.unit import Unit
from hil.wiring.asking import by_snmp

network.bring_up("lo")
unit = Unit("J179D02A", "c8:1f:ea:83:01:79", "19WZ17900002", "4.1.3.0.6")
given = {"SNMPSTRING": "c0mmunity", "SNMPADD": "192.0.2.1, 127.0.0.1"}
management.serve(Settings(known(unit, Habits()), {}, given), unit)
asked = PhoneSnmp(timeout=0.3, retries=0)
said = by_snmp("127.0.0.1", PhoneSnmp(timeout=20), Secret("c0mmunity"))

def snmpget(*options):
    command = ["snmpget", "-v2c", "-c", "c0mmunity", "-Oqvn", *options, "127.0.0.1", *json.loads(sys.argv[1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"MIBS": "", "PATH": "/usr/bin"})
    return [done.stdout.splitlines(), done.stderr]

print(json.dumps({
    "said": dataclasses.asdict(said),
    "net_snmp": snmpget("-t", "20")[0],
    "other word": by_snmp("127.0.0.1", asked, Secret("public")),
    "other sender": snmpget("-t", "0.3", "-r", "0", "--clientaddr=127.0.0.3"),
}))
"""


@pytest.mark.skipif(shutil.which("snmpget") is None, reason="the program snmpget is not installed")
def test_a_phone_tells_those_whom_its_settings_name(own_network: list[str]) -> None:
    asked = [*OIDS, "1.3.6.1.4.1.6889.2.69.6.1.168.0"]
    command = [*own_network, sys.executable, "-W", "error", "-c", SCRIPT, json.dumps(asked)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["said"] == {
        "way": "SNMP",
        "where": "127.0.0.1",
        "mac": "c8:1f:ea:83:01:79",
        "model": "J179D02A",
        "serial": "19WZ17900002",
        "firmware": "4.1.3.0.6",
    }
    quoted = ["4.1.3.0.6", "c8:1f:ea:83:01:79", "J179D02A", "19WZ17900002"]
    assert [value.strip('"') for value in facts["net_snmp"][:4]] == quoted
    assert facts["net_snmp"][4].startswith("No Such Object")
    assert facts["other word"] is None
    assert facts["other sender"][0] == []
    assert facts["other sender"][1].startswith("Timeout")


def request(version: int = api.SNMP_VERSION_2C, word: bytes = b"word", oid: str = OIDS[3]) -> bytes:
    """A GetRequest as pysnmp writes it."""
    from pyasn1.codec.ber import encoder

    module = api.PROTOCOL_MODULES[version]
    pdu = module.GetRequestPDU()
    module.apiPDU.set_defaults(pdu)
    module.apiPDU.set_varbinds(pdu, [(oid, module.Null(""))])
    message = module.Message()
    module.apiMessage.set_defaults(message)
    module.apiMessage.set_community(message, word)
    module.apiMessage.set_pdu(message, pdu)
    encoded: bytes = encoder.encode(message)
    return encoded


def test_what_is_cut_gets_no_answer() -> None:
    whole = request()  # its length differs from one to the next
    assert [cut for cut in range(len(whole)) if answer(whole[:cut], b"word", objects(PHONE)) is not None] == []


def test_version_1_and_another_word_get_no_answer() -> None:
    assert answer(request(), b"word", objects(PHONE)) is not None
    assert answer(request(api.SNMP_VERSION_1), b"word", objects(PHONE)) is None
    assert answer(request(word=b"public"), b"word", objects(PHONE)) is None
