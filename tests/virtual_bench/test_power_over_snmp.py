"""The SNMP driver against net-snmp's snmpd, in front of a switch that can misbehave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Play = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("root", [True, False], ids=["as it is", "without root"])
def test_off_kills_the_phone_and_on_boots_it_from_its_flash(play: Play, root: bool, request: pytest.FixtureRequest) -> None:
    within = () if root else tuple(request.getfixturevalue("without_root"))
    facts = play(
        """
with bench:
    port, phone = listen(), bench.power("j139-1")
    first = phone.delivering()
    heard(port, {"j139-1 1", "j179-1 1", "j189-1 1"})
    cycle(phone)
    heard(port, {"j139-1 2"})
    before = bench.pids()
    phone.off()
    off = phone.delivering()
    killed, others = alive([before["j139-1"]]), alive(before.values())
    phone.on()
    show(first=first, off=off, killed=killed, others=len(others), again=heard(port, {"j139-1 3"}), label=phone.label)
""",
        within=within,
    )
    assert facts == {
        "first": True,
        "off": False,
        "killed": [],
        "others": 3,  # two phones and snmpd
        "again": True,
        "label": "192.0.2.2 1.1",
    }


def test_no_process_of_a_phone_survives_its_power(play: Play) -> None:
    facts = play("""
def network_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:  # it ended, or is none of ours
        return None

def of_the_phone():
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and network_of(pid) == space]

with bench:
    port = listen()
    heard(port, {"j139-1 1"})
    cycle(bench.power("j139-1"))
    heard(port, {"j139-1 2"})
    space = network_of(bench.pids()["j139-1"])
    kept = os.open(f"/proc/{bench.pids()['j139-1']}/ns/net", os.O_RDONLY)  # so that no other network gets its number
    before = len(of_the_phone())
    bench.power("j139-1").off()
    show(before=before, after=of_the_phone())
    os.close(kept)
""")
    assert facts["before"] >= 1
    assert facts["after"] == []


def test_each_fault_has_a_class_of_its_own_and_names_bench_phone_and_port(play: Play) -> None:
    facts = play("""
with bench:
    phone, results = bench.power("j179-1"), {}
    for how in (Misbehaviour.REFUSE, Misbehaviour.IGNORE, Misbehaviour.STUCK, Misbehaviour.SILENT):
        bench.misbehave(how)
        results[how.value] = outcome(phone.off)
        bench.misbehave(Misbehaviour.NONE)
        bench.stop_agent()
        bench.start_agent()
        phone.on()
    bench.stop_agent()
    results["stopped"] = outcome(phone.off)
    results["status"] = outcome(phone.delivering)
    bench.start_agent()
    results["started"] = outcome(lambda: cycle(phone))
    show(**results)
""")
    kinds = {name: kind for name, (kind, _) in facts.items()}
    assert kinds == {
        "refuse": "PowerRefused",
        "ignore": "PowerNotApplied",
        "stuck": "PowerTimedOut",
        "silent": "PowerUnreachable",
        "stopped": "PowerUnreachable",
        "status": "PowerUnreachable",
        "started": "done",
    }
    assert "notWritable" in facts["refuse"][1]
    assert "AdminEnable 1, DetectionStatus deliveringPower after 2 s" in facts["ignore"][1]
    assert "AdminEnable 2, DetectionStatus deliveringPower after 2 s" in facts["stuck"][1]
    for name in ("refuse", "ignore", "stuck", "silent", "stopped"):
        assert "bench virtual, phone j179-1, port 192.0.2.2 1.2, tried set pethPsePortAdminEnable to false" in facts[name][1]


def test_power_is_restored_after_an_off_that_was_refused(play: Play) -> None:
    facts = play("""
with bench:
    phone = bench.power("j179-1")
    phone.off()
    bench.misbehave(Misbehaviour.REFUSE)
    refused = outcome(lambda: cycle(phone))
    bench.misbehave(Misbehaviour.NONE)
    show(refused=refused[0], recovered=[entry.phone for entry in bench.recover()], delivering=phone.delivering())
""")
    assert facts == {"refused": "PowerRefused", "recovered": ["j179-1"], "delivering": True}


def test_a_port_that_is_not_there_and_a_community_that_is_not_accepted(play: Play, testbed_file: Path) -> None:
    script = """
from hil.bench.power import Wiring
from hil.bench.power.snmp import SnmpOutlet, connect
from hil.clock import ScaledClock
from hil.secret import Secret
with bench:
    word = Secret((bench.state / "community").read_text().strip())
    results = {}
    for version in ("v1", "v2c"):
        settings = testbed.power.model_copy(update={"version": version})
        for name, secret, outlet in (("port", word, SnmpOutlet(port=9)), ("word", Secret("wrong"), SnmpOutlet(port=1)),
                                     ("good", word, SnmpOutlet(port=1))):
            switch = connect(settings, Wiring(ScaledClock(), 0.1, "", "", bench.state, secret))
            port = switch.port(outlet, bench="virtual", phone="x")
            results[f"{name} {version}"] = outcome(port.delivering) + outcome(port.off)
            switch.close()
    show(word=word.reveal(), **results)
"""
    facts = play(script)
    word = facts.pop("word")
    assert {name: (seen[0], seen[2]) for name, seen in facts.items()} == {
        "port v1": ("PowerRefused", "PowerRefused"),
        "port v2c": ("PowerRefused", "PowerRefused"),
        "word v1": ("PowerUnreachable", "PowerUnreachable"),
        "word v2c": ("PowerUnreachable", "PowerUnreachable"),
        "good v1": ("done", "done"),
        "good v2c": ("done", "done"),
    }
    assert "noSuchName" in facts["port v1"][1]
    assert "NoSuchInstance" in facts["port v2c"][1]
    assert word not in str(facts)
    assert "wrong" not in str(facts)


def test_the_switch_is_switched_by_a_user_of_snmp_v3(play: Play, testbed_file: Path) -> None:
    testbed_file.write_text(testbed_file.read_text().replace("  kind: snmp\n", "  kind: snmp\n  version: v3\n  user: hil\n"))
    facts = play("""
with bench:
    port, phone = listen(), bench.power("j139-1")
    heard(port, {"j139-1 1"})
    cycle(phone)
    show(version=testbed.power.version, again=heard(port, {"j139-1 2"}), watts=phone.watts())
""")
    assert facts == {"version": "v3", "again": True, "watts": None}


def test_on_waits_for_the_shortest_off_time_counted_from_the_last_off(play: Play) -> None:
    facts = play("""
from hil.bench.power import Wiring
from hil.bench.power.snmp import connect
from hil.clock import ManualClock
from hil.secret import Secret
with bench:
    clock = ManualClock()
    settings = testbed.power.model_copy(update={"poll": 0.001, "limit": 300})
    community = Secret((bench.state / "community").read_text().strip())
    switch = connect(settings, Wiring(clock, 1000.0, "", "", bench.state, community))
    port = switch.port(testbed.phone("j139-1").power, bench="virtual", phone="j139-1")
    port.off()
    off = clock.now()
    clock.advance(400)
    port.on()
    waited = (clock.now() - off).total_seconds()
    start = clock.now()
    port.on()
    show(waited=waited, again=(clock.now() - start).total_seconds())
    switch.close()
""")
    assert 1000 <= facts["waited"] < 1300
    assert facts["again"] < 1000


def test_three_phones_are_cycled_at_once(play: Play) -> None:
    facts = play("""
with bench:
    port = listen()
    threads = [threading.Thread(target=cycle, args=(bench.power(phone.name),)) for phone in testbed.phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    show(heard=heard(port, {"j139-1 2", "j179-1 2", "j189-1 2"}), pending=len(bench.recover()))
""")
    assert facts == {"heard": True, "pending": 0}


def test_net_snmp_reads_and_writes_the_table_as_the_rfc_has_it(play: Play) -> None:
    facts = play("""
def ask(*command):
    word = (bench.state / "community").read_text().strip()
    done = subprocess.run([command[0], "-v2c", "-On", "-r0", "-t5", "-c", word, "192.0.2.2", *command[1:]],
                          env=snmp, capture_output=True, text=True)
    said = (done.stdout + done.stderr).replace(".1.3.6.1.2.1.105.1.1.1.", "").split("\\n")[:-1]
    return [line for line in said if not line.startswith("Created directory")]  # said at the tools' first use on a PC

TABLE = "1.3.6.1.2.1.105"
ADMIN, STATUS = TABLE + ".1.1.1.3.1.1", TABLE + ".1.1.1.6.1.1"
with bench:
    show(walk=ask("snmpwalk", TABLE), name=ask("snmpget", "1.3.6.1.2.1.1.1.0"), wrong_value=ask("snmpset", ADMIN, "i", "3"),
         wrong_type=ask("snmpset", ADMIN, "s", "off"), read_only=ask("snmpset", STATUS, "i", "1"),
         absent=ask("snmpset", TABLE + ".1.1.1.3.1.9", "i", "1"), off=ask("snmpset", ADMIN, "i", "2"),
         after=ask("snmpget", ADMIN), pending=[entry.phone for entry in bench.recover()])
""")
    assert facts["walk"] == [
        "3.1.1 = INTEGER: 1",
        "3.1.2 = INTEGER: 1",
        "3.1.3 = INTEGER: 1",
        "6.1.1 = INTEGER: 3",
        "6.1.2 = INTEGER: 3",
        "6.1.3 = INTEGER: 3",
    ]
    assert facts["name"] == ['.1.3.6.1.2.1.1.1.0 = STRING: "Virtual PoE switch of j100-hil"']
    assert "wrongValue" in facts["wrong_value"][1]
    assert "wrongType" in facts["wrong_type"][1]
    assert "notWritable" in facts["read_only"][1]
    assert any(name in facts["absent"][1] for name in ("noCreation", "notWritable"))  # releases of snmpd differ
    assert facts["off"] == facts["after"] == ["3.1.1 = INTEGER: 2"]
    assert facts["pending"] == []
