"""Wiring on the virtual bench: real LLDP frames, the kernel's forwarding table, net-snmp's agent; cables that are wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    shutil.which("bridge", path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None, reason="the program bridge is missing"
)

# A phone as the testbed has it, but for the serial number that FALSE_SERIAL gives to one and for what hangs behind another.
ODD = """
import struct
from hil.virtual.bench import phone_program
from hil.campaign.census import PlaceChecker
from hil.wiring.verifying import verify_wiring

STRANGER = '''
import fcntl, socket, struct, time
UP, FLAGS_OF = 0x40, 0x8913
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
    link.bind(("eth0", 0))
    for _ in range(500):  # the port's end of the cable comes up a moment after the phone's
        if struct.unpack("16sH14x", fcntl.ioctl(link, FLAGS_OF, struct.pack("16sH14x", b"eth0", 0)))[1] & UP:
            break
        time.sleep(0.01)
    for _ in range(20):  # the switch may miss what is sent before its port learns
        link.send(b"\\\\xff" * 6 + bytes.fromhex("020000000099") + bytes.fromhex("88b5") + bytes(46))
        time.sleep(0.05)
'''

def odd(phone, flash, rate):
    command = phone_program(phone, flash, rate)
    if phone.name == "j189-1":
        command[command.index("--serial") + 1] = "22WZ00000000"
    if phone.name == "j139-1":
        command = ["sh", "-c", '"$0" -c "$1"; shift; exec "$@"', sys.executable, STRANGER, *command]
    return command

def judgment(found):
    return {each.phone: [each.place.expected, each.seen, [p.fault.value for p in each.problems]] for each in found}

def told(found):
    return {each.phone: [[s.way.value, s.model, s.serial, s.firmware] for s in each.said] for each in found}
"""


def test_all_is_as_told_however_the_switch_numbers_and_whatever_it_leaves_out(play: Callable[..., dict[str, Any]]) -> None:
    facts = play(
        ODD
        + """
bench = VirtualBench(testbed)
undeclared = testbed.model_copy(update={"phones": tuple(p.model_copy(update={"switch_port": None}) for p in testbed.phones)})
with bench:
    whole = verify_wiring(bench)
    bench.misbehave(Misbehaviour.OBSCURE)
    obscure = verify_wiring(bench)
    bench.misbehave(Misbehaviour.HALF)
    half = verify_wiring(bench)
    gaps = bench.tables().gaps
    bench.misbehave(Misbehaviour.NONE)
    bench.testbed = undeclared
    untold = verify_wiring(bench)
    by_power = verify_wiring(bench, by_power=True)
    bench.power("j179-1").off()
    dark = verify_wiring(bench, patience=3)
    bench.misbehave(Misbehaviour.MUTE)
    bench.power("j179-1").on()
    mute = verify_wiring(bench, patience=8)
    bench.misbehave(Misbehaviour.SILENT)
    silent = outcome(lambda: verify_wiring(bench, patience=0))
show(
    whole=judgment(whole), words=told(whole), obscure=judgment(obscure), half=judgment(half), gaps=gaps, untold=judgment(untold),
    by_power=judgment(by_power), dark=judgment(dark), mute=judgment(mute), silent=silent,
)
"""
    )
    as_told = {"j139-1": ["p1.1", "p1.1", []], "j179-1": ["p1.2", "p1.2", []], "j189-1": ["p1.3", "p1.3", []]}
    assert facts["whole"] == facts["obscure"] == facts["by_power"] == as_told
    assert facts["words"]["j189-1"] == [["LLDP", "J189", "22WZ18900003", "4.1.11.0.9"]]
    assert facts["half"] == {phone: [*ports, ["serial not told"]] for phone, (*ports, _) in as_told.items()}
    assert facts["gaps"] == [
        "no inventory of LLDP-MED (LLDP-EXT-MED-MIB)",
        "no forwarding table (BRIDGE-MIB, Q-BRIDGE-MIB)",
    ]
    assert facts["untold"]["j139-1"] == [None, "p1.1", ["port not told"]]
    assert facts["dark"]["j179-1"] == [None, None, ["no power"]]
    assert facts["mute"]["j179-1"] == [None, "p1.2", ["port not told", "serial not told"]]  # its frames tell where it is
    kind, said = facts["silent"]
    assert kind == "PowerUnreachable"
    assert "read its LLDP neighbours and forwarding table" in said


def test_swapped_cables_a_wrong_serial_and_a_stranger_are_told_apart(play: Callable[..., dict[str, Any]]) -> None:
    facts = play(
        ODD
        + """
cables = {"j139-1": "j179-1", "j179-1": "j139-1"}
with VirtualBench(testbed, program=odd, cables=cables) as bench:
    found = verify_wiring(bench)
    problems = {each.phone: [[p.seen, p.remedy] for p in each.problems] for each in found}
    at_one = sorted(bench.tables().at("p1.2"))
    check = PlaceChecker(bench)
    nights = {phone.name: outcome(lambda: check(phone, None)) for phone in testbed.phones}
show(nights=nights, found=judgment(found), problems=problems, at=at_one)
"""
    )
    assert facts["at"] == ["02:00:00:00:00:99", "c8:1f:ea:83:01:39"]
    assert facts["found"] == {
        "j139-1": ["p1.1", "p1.2", ["swapped", "shared port"]],
        "j179-1": ["p1.2", "p1.1", ["swapped"]],
        "j189-1": ["p1.3", "p1.3", ["wrong serial"]],
    }
    seen, remedy = facts["problems"]["j179-1"][0]
    assert seen == "is on p1.1, should be on p1.2, where j139-1 is"
    assert remedy == "exchange the cables of j179-1 and j139-1, or their outlets in the testbed"
    for kind, said in facts["nights"].values():
        assert kind == "LabFault"
        assert said.startswith("the phone is not where, or not what, the testbed says: ")
    assert "exchange the cables of j139-1 and j179-1" in facts["nights"]["j139-1"][1]
    seen, remedy = facts["problems"]["j189-1"][0]
    assert seen == "by LLDP (port p1.3) the phone says 22WZ00000000, the testbed 22WZ18900003"
    assert "correct serial in the testbed" in remedy


@pytest.mark.parametrize(("port", "code"), [("p1.2", 0), ("p1.7", 10)])
def test_the_verb_prints_a_table_and_ends_as_it_says(tmp_path: Path, testbed_file: Path, port: str, code: int) -> None:
    testbed_file.write_text(testbed_file.read_text().replace("switch_port: p1.2", f"switch_port: {port}"))
    command = [sys.executable, "-W", "error", "-m", "hil.cli", "wiring", "--testbed", str(testbed_file)]
    own = {**os.environ, "HIL_STATE": str(tmp_path / "state")}
    done = subprocess.run(command if code else [*command, "--json"], env=own, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    if not code:
        facts = {each["phone"]: each for each in json.loads(done.stdout)}
        assert facts["j179-1"]["verdict"] == "as told"
        assert facts["j179-1"]["said"][0]["serial"] == "19WZ17900002"
        return
    rows = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line and not line.startswith(" ")}
    assert rows["j139-1"][1:3] == ["p1.1", "p1.1"]
    assert rows["j139-1"][-2:] == ["as", "told"]
    assert rows["j179-1"][1:3] == ["p1.7", "p1.2"]
    assert "j179-1: wrong port: is on p1.2, should be on p1.7" in done.stdout.splitlines()
    assert "  plug it into p1.7, or correct its outlet and port in the testbed" in done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("dnsmasq", path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None, reason="dnsmasq is missing")
def test_a_phone_that_was_served_says_the_same_by_lldp_http_and_snmp(
    play: Callable[..., dict[str, Any]], testbed_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = testbed_file.read_text().replace("phones:", "phone_snmp: {community_env: RIG_PHONES, timeout: 2}\n\nphones:", 1)
    testbed_file.write_text(text)
    monkeypatch.setenv("RIG_PHONES", "ph0nes")
    facts = play(
        ODD
        + f"""
from hil.campaign.by_hand import ByHand
from hil.campaign.census import PlaceChecker, first_agent
from hil.campaign.opening import opened
from hil.evidence import EventName
from hil.wiring.verifying import seated

bench = VirtualBench(testbed)
with opened(bench, Path({str(tmp_path / "run")!r})) as ready:
    phone = testbed.phone("j179-1")
    verify_wiring(bench)
    mute = seated(bench, phone, bench.tables())
    hand = ByHand(ready.stage, phone, bench.power(phone.name), None)
    hand.settings({{}})
    since = hand.cycle()
    own = "/c81fea830179.txt"
    assert hand.wait(EventName.FILE_SERVED, span=900, since=since, path=own)
    verify_wiring(bench, patience=20)
    agent, _ = first_agent(ready.stage.lab.events.since(since), phone.name)
    PlaceChecker(bench)(phone, agent)
    found = seated(bench, phone, bench.tables())
show(mute=judgment([mute]), said=told([found]), problems=[p.seen for p in found.problems], files=sorted(os.listdir(bench.state)))
"""
    )
    assert "no SNMP" in facts["mute"]["j179-1"][2]
    assert facts["said"]["j179-1"] == [
        ["LLDP", "J179", "19WZ17900002", "4.1.3.0.6"],
        ["HTTP", "J179", None, "4.1.3.0.6"],
        ["SNMP", "J179", "19WZ17900002", "4.1.3.0.6"],
    ]
    assert facts["problems"] == []
