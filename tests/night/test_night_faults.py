"""A bench that fails in mid-run: no phone is blamed, no failure is a pass, no port stays dark for ever."""

from __future__ import annotations

import json
import shutil
import signal

import pytest
from markupsafe import escape
from night_rig import Ended, Rig

from hil.clock import ScaledClock
from hil.judge.verdict import Verdict
from hil.scep.authority import Authority

ONE = ("-k", "keylen_default")

# Pytest plugins that put something else in the place of the reference, or of the phone.
REFERENCE_THAT = """
import dataclasses
import functools

import hil.campaign.opening as opening
from hil.reference.decisions import Enrol, boot_plan
from hil.reference.device import ReferencePhone

def decide(interpretation, identity, store, now):
    decisions = boot_plan(interpretation, identity, store, now)
    {verb}
    return tuple(
        dataclasses.replace(each, profile=dataclasses.replace(each.profile, {change})) if isinstance(each, Enrol) else each
        for each in decisions
    )

opening.ReferencePhone = functools.partial(ReferencePhone, plan=decide)
"""
PHONE_THAT_ENDS = """
from hil.virtual.bench import VirtualBench

VirtualBench.__init__.__kwdefaults__["program"] = lambda phone, flash, rate: ("false",)
"""


def test_a_dead_switch_is_a_fault_of_the_bench(rig: Rig) -> None:
    running = rig.begin("-k", "keylen_default or ca_identifier_set", testbed=rig.testbed(mortal=True, boot_delay=20))
    running.await_boot("main", "power on")
    running.kill("snmpd")
    ended = running.end()
    assert ended.code == 11, ended.said
    assert set(ended.verdicts.values()) == {Verdict.BENCH_FAULT}
    assert {fault.phone for fault in ended.record.faults} == {"j179-1"}
    assert any("the switch does not answer" in fault.text and "SNMP" in fault.text for fault in ended.record.faults)
    assert "the bench failed; no phone is blamed for it" in ended.said
    assert ended.left == ()


def test_a_phone_on_another_port_than_its_outlets_is_a_fault_of_the_bench_before_anything_is_judged(rig: Rig) -> None:
    wrong = rig.testbed("wrong")
    wrong.write_text(wrong.read_text().replace("switch_port: p1.2", "switch_port: p1.7"))
    ended = rig.play(*ONE, testbed=wrong)
    assert ended.code == 11, ended.said
    assert set(ended.verdicts.values()) == {Verdict.BENCH_FAULT}
    (fault,) = {fault.text for fault in ended.record.faults}
    assert "wrong port: is on p1.2, should be on p1.7; plug it into p1.7, or correct its outlet and port in the testbed" in fault
    assert ended.left == ()


def test_what_was_judged_before_the_switch_died_stays(rig: Rig) -> None:
    running = rig.begin("-v", "-k", "keylen_default or no_second_enrolment", testbed=rig.testbed(mortal=True))
    running.await_output("CONFORMS")
    running.kill("snmpd")
    ended = running.end()
    assert ended.code == 11, ended.said
    assert sorted(ended.verdicts.values()) == [Verdict.BENCH_FAULT, Verdict.CONFORMS]


def test_a_dead_recorder_is_inconclusive(rig: Rig) -> None:
    running = rig.begin(*ONE, testbed=rig.testbed(boot_delay=20))
    running.await_boot("main", "power on")
    running.kill("dumpcap")
    ended = running.end()
    assert ended.code == 12, ended.said
    assert set(ended.verdicts.values()) == {Verdict.INCONCLUSIVE}
    (test,) = ended.record.tests
    assert test.reason is not None
    assert "dumpcap ended before it was told to (SIGKILL)" in test.reason
    assert not any(boot.complete for sitting in ended.record.sittings for boot in sitting.boots if boot.kind == "main")


def test_a_phone_left_dark_is_powered_by_the_next_run(rig: Rig) -> None:
    slow = rig.testbed("slow", times={"off_time": 5})  # real seconds in which the port is off for certain
    first = rig.begin(*ONE, testbed=slow)
    first.await_boot("clear", "power off")
    first.send(signal.SIGKILL)
    killed = first.end()
    assert killed.code == -signal.SIGKILL
    assert killed.dark_ports == ("j179-1",)
    memory = killed.state / "virtual" / "switch" / "nvram.json"
    assert json.loads(memory.read_text())["off"] == ["1.2"]
    assert killed.left == ()

    second = rig.play(*ONE, testbed=rig.testbed())
    assert second.code == 0, second.said
    (recovery,) = second.record.recoveries
    assert recovery.phone == "j179-1"
    assert recovery.turned_off < recovery.powered
    said = "was left without power by"
    assert said in recovery.text
    assert said in second.said
    assert said in (second.run / "index.html").read_text()
    assert second.dark_ports == ()
    assert json.loads(memory.read_text())["off"] == []


def test_a_night_plays_with_the_root_that_stands_and_tells_that_it_is_over_soon(rig: Rig) -> None:
    root = rig.folder / "run" / "state" / "virtual" / "ca"
    Authority.create("short-lived", ScaledClock(), years=4).save(root)  # of which three are over
    ended = rig.play(*ONE, testbed=rig.testbed())
    assert ended.code == 0, ended.said
    assert (ended.run / "keys" / "ca.pem").read_bytes() == (root / "ca.pem").read_bytes()
    (warning,) = ended.record.warnings
    assert f"before long: {warning}" in ended.said
    assert f"<b>Before long</b>: {escape(warning)}" in (ended.run / "index.html").read_text()


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_an_interrupted_run_keeps_its_verdicts_and_restores_power(rig: Rig, how: str) -> None:
    running = rig.begin("-v", "-k", "keylen_default or no_second_enrolment", testbed=rig.testbed())
    running.await_output("CONFORMS")
    running.await_boot("restart", "power off")
    if how == "Ctrl-C":
        running.press_ctrl_c()
    else:
        running.send(signal.SIGTERM)
    ended = running.end(within=60)
    assert ended.code == 2, ended.said
    record = ended.record
    assert record.run.interrupted
    assert record.run.exit_code == 2
    assert {test.name: test.verdict for test in record.tests} == {"test_keylen_default": Verdict.CONFORMS}
    assert ended.dark_ports == ()
    assert json.loads((ended.state / "virtual" / "switch" / "nvram.json").read_text())["off"] == []
    assert ended.left == ()


def deviates(ended: Ended) -> list[str]:
    return [test for test, verdict in ended.verdicts.items() if verdict is Verdict.DEVIATES]


@pytest.mark.parametrize(
    ("verb", "change", "said"),
    [
        ("", "key_bits=1024", "the reference breaks SCEP page, MYCERTKEYLEN: csr.key_bits is 1024 where 2048 is due"),
        (
            "",
            "subject=(('CN', 'somebody-else'),)",
            "the reference breaks SCEP page, MYCERTCN: csr.common_name is 'somebody-else'",
        ),
        ("raise RuntimeError('lost its way')", "key_bits=2048", "the reference failed"),
    ],
    ids=["key", "name", "dies"],
)
def test_a_wrong_reference_is_a_fault_of_the_bench(rig: Rig, verb: str, change: str, said: str) -> None:
    plugin = REFERENCE_THAT.format(verb=verb, change=change)
    ended = rig.play(*ONE, testbed=rig.testbed(), plugin=plugin)
    assert ended.code == 11, ended.said
    assert set(ended.verdicts.values()) == {Verdict.BENCH_FAULT}
    assert any(said in fault.text for fault in ended.record.faults), ended.record.faults


def test_a_phone_without_an_address_is_not_blamed(rig: Rig) -> None:
    running = rig.begin(*ONE, testbed=rig.testbed(times={"boot_limit": 90}))
    running.await_boot("clear", "settled")
    running.kill("dnsmasq")
    ended = running.end()
    assert ended.code == 11, ended.said
    assert not deviates(ended)
    assert set(ended.verdicts.values()) <= {Verdict.BENCH_FAULT, Verdict.INCONCLUSIVE}
    assert "dnsmasq ended" in ended.said


def test_a_phone_that_never_starts_is_no_pass(rig: Rig) -> None:
    ended = rig.play(*ONE, testbed=rig.testbed(times={"boot_limit": 60, "settle": 6}), plugin=PHONE_THAT_ENDS)
    assert ended.code == 12, ended.said
    assert set(ended.verdicts.values()) == {Verdict.INCONCLUSIVE}
    assert "never fetched its settings" in ended.said


def test_a_bench_in_use_is_not_fit_to_start(rig: Rig) -> None:
    testbed = rig.testbed()
    first = rig.begin(testbed=testbed)  # the whole suite, so that it cannot be over before the second has asked
    first.await_boot("clear", "power on")
    second = rig.play(*ONE, testbed=testbed)
    assert second.code == 10, second.said
    assert "the phone is in use" in second.said
    first.send(signal.SIGTERM)
    assert first.end().code == 2


def test_a_missing_program_is_not_fit_to_start(rig: Rig) -> None:
    programs = rig.folder / "programs"
    programs.mkdir()
    for name in ("ip", "unshare", "setpriv", "dumpcap", "snmpd"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    ended = rig.play(*ONE, testbed=rig.testbed(), PATH=str(programs))
    assert ended.code == 10, ended.said
    assert "dnsmasq" in ended.said
    assert ended.left == ()
