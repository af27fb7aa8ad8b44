"""The virtual switch by each way that its testbed may name: the same ports, the same faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Play = Callable[..., dict[str, Any]]
Ways = dict[str, dict[str, Any]]

KINDS = ("snmp", "ssh", "serial")
PORTS = {"j139-1": "Gi1/0/1", "j179-1": "Gi1/0/2", "j189-1": "Gi1/0/3"}


def switched_by(power: dict[str, Any], file: Path, **more: object) -> None:
    """Let the testbed's switch be told in this way, with a limit short enough for a switch that misbehaves."""
    bench = yaml.safe_load(file.read_text())
    bench["power"] = {**power, "limit": 1, "timeout": 1 if power["kind"] == "snmp" else 3, **more}
    if power["kind"] != "snmp":
        for phone in bench["phones"]:
            phone["power"] = {"port": PORTS[phone["name"]]}
    file.write_text(yaml.safe_dump(bench))


@pytest.mark.parametrize(("kind", "root"), [("snmp", True), ("ssh", True), ("serial", True), ("ssh", False), ("serial", False)])
def test_the_port_of_one_phone_goes_off_and_on_and_a_killed_agent_comes_back(
    kind: str, root: bool, virtual_ways: Ways, play: Play, testbed_file: Path, request: pytest.FixtureRequest
) -> None:
    switched_by(virtual_ways[kind], testbed_file, limit=10)
    facts = play(
        """
with bench:
    port, phone = listen(), bench.power("j139-1")
    heard(port, {"j139-1 1", "j179-1 1", "j189-1 1"})
    before = bench.pids()
    watts = phone.watts()
    phone.off()
    off, others = phone.delivering(), [bench.power(name).delivering() for name in ("j179-1", "j189-1")]
    killed = alive([before["j139-1"]])
    bench.stop_agent()
    stopped = outcome(phone.on)[0]
    bench.start_agent()
    recovered = [entry.phone for entry in bench.recover()]
    show(off=off, others=others, killed=killed, stopped=stopped, recovered=recovered, again=heard(port, {"j139-1 2"}),
         watts=watts, pending=len(bench.recover()), one=sorted(set(before) - {"j139-1", "j179-1", "j189-1"}))
""",
        within=() if root else tuple(request.getfixturevalue("without_root")),
    )
    assert facts == {
        "off": False,
        "others": [True, True],
        "killed": [],
        "stopped": "PowerUnreachable",
        "recovered": ["j139-1"],
        "again": True,
        "watts": None if kind == "snmp" else pytest.approx(3.4),
        "pending": 0,
        "one": ["snmpd" if kind == "snmp" else "command-line"],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_switch_that_is_wrong_is_wrong_in_every_way(kind: str, virtual_ways: Ways, play: Play, testbed_file: Path) -> None:
    switched_by(virtual_ways[kind], testbed_file)
    facts = play("""
with bench:
    phone, results = bench.power("j179-1"), {}
    for how in (Misbehaviour.REFUSE, Misbehaviour.IGNORE, Misbehaviour.STUCK, Misbehaviour.SILENT):
        bench.misbehave(how)
        results[how.value] = outcome(phone.off)[0]
        bench.misbehave(Misbehaviour.NONE)
        bench.stop_agent()
        bench.start_agent()
        phone.on()
    show(**results)
""")
    assert facts == {
        "refuse": "PowerRefused",
        "ignore": "PowerNotApplied",
        "stuck": "PowerTimedOut",
        "silent": "PowerUnreachable",
    }


def test_the_switch_takes_the_commands_of_another_house(virtual_ways: Ways, play: Play, testbed_file: Path) -> None:
    switched_by(virtual_ways["serial"], testbed_file, dialect="junos", limit=10)
    facts = play("""
with bench:
    phone, dark = bench.power("j179-1"), []
    phone.off()
    dark = [name for name, pid in bench.pids().items() if pid is None]
    phone.on()
    show(dark=dark, on=[name for name in ("j139-1", "j179-1", "j189-1") if bench.pids()[name]])
""")
    assert facts == {"dark": ["j179-1"], "on": ["j139-1", "j179-1", "j189-1"]}


@pytest.mark.parametrize(
    ("power", "says"),
    [
        (
            {"kind": "relay", "device": "/dev/null", "protocol": "numato"},
            "a virtual switch is not switched by relay; use snmp, ssh",
        ),
        (
            {"kind": "ssh", "address": "192.0.2.2", "user": "hil", "dialect": "cisco-ios", "known_hosts": "nowhere"},
            "power.known_hosts: there is no",
        ),
    ],
    ids=["way", "known hosts"],
)
def test_what_a_virtual_switch_does_not_offer_is_named(power: dict[str, Any], says: str, play: Play, testbed_file: Path) -> None:
    bench = yaml.safe_load(testbed_file.read_text())
    for number, phone in enumerate(bench["phones"]):
        phone["power"] = {"relay": number} if power["kind"] == "relay" else {"port": str(number)}
    testbed_file.write_text(yaml.safe_dump({**bench, "power": power}))
    facts = play("""
try:
    bench.open()
except Misuse as misuse:
    show(said=str(misuse))
""")
    assert says in facts["said"]
