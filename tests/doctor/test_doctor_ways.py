"""A bench broken in each of its ways: the check that is about it names that way, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from doctor_rig import Ask, Told, shown

Way = tuple[str, str, str, str]
"""Which check names it, as what, by which words, and with which remedy."""

PC: Mapping[str, Way] = {
    "a testbed with a wrong key": ("testbed", "not ok", "phones[0].seriel: unknown key", "did you mean 'serial'?"),
    "a secret that is nowhere": ("testbed", "not ok", "the environment has no NOWHERE", "export NOWHERE"),
    "no tshark": ("tshark", "not ok", "there is no tshark in PATH", "apt-get install tshark"),
    "an old tshark": ("tshark", "not ok", "tshark is 2.6.20; 3.0 is the oldest that will do", "apt-get"),
    "disk too small": ("disk", "not ok", "No space left on device", "make room"),
    "files may not grow": ("disk", "not ok", "File too large", "make room"),
    "the clock was set back": ("clock", "not ok", "power-journal.json was written", "let a time server keep it"),
    "the clock is wrong": ("clock", "not ok", "this PC", "let a time server keep it"),
    "the clock is right": ("clock", "ok", "within 0.", ""),
    "root is over": ("CA", "not ok", "the bench's CA is over since", "make a new CA"),
    "root lost its key": ("CA", "not ok", "ca.key: no private key can be read", "put back the bench's CA from its backup"),
    "root lost as a whole": ("CA", "not ok", "the CA that they may trust is gone", "put back the bench's CA from its backup"),
    "others may read the root's key": ("CA", "not ok", "others may read this private key", "chmod 600"),
    "root soon over": ("CA", "ok", "the bench's CA is over on", ""),
    "an interface that is not there": ("bench", "not ok", "no interface 'eth9'", "this PC has lo, bench"),
    "an address that is not ours": ("bench", "not ok", "is not an address of this PC", "ip address add"),
    "somebody else has the bench": ("bench", "not ok", "the phone is in use", "hil who"),
    "a port held by another process": ("ports", "not ok", "TCP 8080 (settings and SCEP) is not free: python", "stop what"),
    "a DHCP server at the bench's port": ("ports", "not ok", "UDP 67 (DHCP) is not free: dnsmasq has it", "stop what"),
    "no right to record": (
        "capture",
        "not ok",
        "nothing proves that bench, lo is recorded",
        "run as root, or let this user record",
    ),
    "a PC too busy to record": ("load", "not ok", "packets of bench were dropped", "stop what else keeps this PC busy"),
    "nothing knows where phones hang": ("wiring", "not told", "power by command reaches nothing that knows its ports", ""),
    "nothing knows of spanning tree": ("edge port", "not told", "power by command reaches nothing that knows its ports", ""),
    "a second DHCP server": ("DHCP", "not ok", "10.9.0.100 gives addresses too", "leave one DHCP server"),
    "a DHCP server that sends phones away": ("DHCP", "not ok", "sends phones to 10.9.0.77", "docs/network.md"),
    "nobody gives addresses": ("DHCP", "not ok", "no DHCP server offers c8:1f:ea:00:00:01 an address", "docs/network.md"),
}

BENCH: Mapping[str, Way] = {
    "the switch obeys": ("switch", "ok", "2 outlets read, 2 set on", ""),
    "the switch refuses to write": ("switch", "not ok", "notWritable", "whether our community or user may write"),
    "snmpd is dead": ("switch", "not ok", "the switch does not answer", "address and cable"),
    "the community is wrong": ("switch", "not ok", "the switch does not answer", "whether our community"),
    "the switch does not do what it says": ("wiring", "not ok", "answered that it set the port, and did not", "docs/wiring.md"),
    "a phone without power": ("wiring", "not ok", "j139-1: no power", "hil power on j139-1"),
    "a phone at a wrong port": ("wiring", "not ok", "j179-1: wrong port: is on p1.2, should be on p1.7", "plug it into p1.7"),
    "two phones are swapped": ("wiring", "not ok", "j139-1: swapped: is on p1.1", "exchange the cables of j139-1 and j179-1"),
    "ports are edge ports": ("edge port", "ok", "2 ports are set to forward at once", ""),
    "spanning tree holds phones back": ("edge port", "not ok", "from link to forwarding: j139-1", "make the phones' ports edge"),
    "spanning tree, not measured": ("edge port", "not told", "phones are left alone", ""),
    "the servers start": ("servers", "ok", "settings and SCEP at 192.0.2.1:80", ""),
    "the reference enrols": ("enrolment", "ok", "j139-1.reference was granted a certificate", ""),
    "a phone obeys its menu": (
        "canary", "not ok", "j179-1: read /c81fea830179.txt, and did not do what it says", "clear what was set by hand",
    ),
    "a mirror of one direction": (
        "mirror", "not ok", "j139-1: frame", "mirror what is sent and what is received",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pc(ask: Ask, without_root: list[str]) -> Told:
    return ask("pc_scenario.py", *without_root, "-m")


@pytest.fixture(scope="module")
def bench(ask: Ask) -> Told:
    return ask("bench_scenario.py")


@pytest.mark.parametrize("way", PC)
def test_what_is_wrong_with_the_pc_is_named(pc: Told, way: str) -> None:
    held_against(pc[way], PC[way])


@pytest.mark.parametrize("way", BENCH)
def test_what_is_wrong_with_switch_wire_and_phones_is_named(bench: Told, way: str) -> None:
    held_against(bench[way], BENCH[way])


def held_against(told: Told, way: Way) -> None:
    check, state, seen, remedy = way
    assert (told["check"], told["state"]) == (check, state), told
    assert seen in told["seen"]
    assert remedy in (told["remedy"] or "")
    assert bool(told["remedy"]) == (state == "not ok")


def test_every_way_is_told(pc: Told, bench: Told, tell_at_the_end: Callable[[str, str], None]) -> None:
    assert set(pc) == set(PC)
    assert set(bench) == set(BENCH)
    broken = [(way, told) for way, told in (*pc.items(), *bench.items()) if told["state"] == "not ok"]
    tell_at_the_end("a bench broken in each of its ways, by hil doctor", shown(broken))
