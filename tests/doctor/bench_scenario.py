"""A virtual bench with a real switch agent, broken in one way after another, and what the check says that is about it.

    python bench_scenario.py FOLDER

One phone does not do what its file says, as if somebody had set the value in its menu. Prints each answer, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import yaml

from hil.bench.claim import Use
from hil.bench.real import RealBench
from hil.bench.testbed import Phone, Testbed
from hil.capture.recorder import Recorder, Recording, Source
from hil.doctor.checks import CHECKS
from hil.doctor.examining import examine
from hil.doctor.visit import Patience, Visit
from hil.virtual.bench import VirtualBench, phone_program
from hil.virtual.switch import Misbehaviour

FOLDER = Path(sys.argv[1])
VIRTUAL = Path(__file__).resolve().parents[2] / "testbeds" / "virtual.yaml"
NAMED = {check.name: check for check in CHECKS}

MENU = """
import sys
from hil.virtual.phone import parameters
from hil.virtual.phone.__main__ import main
obey = parameters.accepted
parameters.accepted = lambda known, name, value: name != "SNMPSTRING" and obey(known, name, value)
sys.exit(main())
"""

Answered = tuple[str, dict[str, object]]


def described(file_name: str, **changes: object) -> Path:
    """The virtual testbed with two phones and a switch that is not waited for long."""
    bench = yaml.safe_load(VIRTUAL.read_text())
    bench["power"] |= {"timeout": 0.5, "retries": 1, "limit": 2}
    bench["phones"] = bench["phones"][:2]
    bench |= changes
    file = FOLDER / f"{file_name}.yaml"
    file.write_text(yaml.safe_dump(bench))
    return file


def real(name: str, word: str, **places: str) -> Path:
    """The same switch and phones as a bench of kind real, whose community is in a file; `places` are the phones' ports there."""
    bench = yaml.safe_load(described(name).read_text())
    for phone in bench["phones"]:
        del phone["virtual"]
        phone["switch_port"] = places.get(phone["name"].replace("-", "_"), phone["switch_port"])
    place = FOLDER / f"{name}.word"
    place.write_text(word)
    place.chmod(0o600)
    bench["power"]["community_file"] = place.name
    return described(name, name=name, kind="real", rate=1, power=bench["power"], phones=bench["phones"])


def ask(visit: Visit, *names: str) -> dict[str, object]:
    """What the last of these checks says, each asked as if those that it needs had said that all is well."""
    checks = [type(NAMED[name])(name, NAMED[name].asks, (), NAMED[name].ask, NAMED[name].remedy) for name in names]
    return asdict(examine(checks, visit)[-1])


def set_by_hand(phone: Phone, flash: Path, rate: float) -> list[str]:
    command = phone_program(phone, flash, rate)
    if phone.name == "j179-1":
        place = command.index("-m")
        command[place : place + 2] = ["-c", MENU]
    return command


def one_sided(phone: Phone, file: Path) -> Recording:
    """A mirror that is set up for what the PC sends alone, where the first phone is."""
    heard = f"ether dst {phone.mac}" if phone.name == "j139-1" else f"ether host {phone.mac}"
    return Recorder([Source("lab0", heard), Source("lo", f"host {phone.reference}")], file)


def bench_of(testbed: Testbed, use: Use) -> VirtualBench:
    return VirtualBench(testbed, use, program=set_by_hand)


def ways() -> Iterator[Answered]:
    with Visit(described("own"), FOLDER, patience=Patience(wiring=2), open_bench=bench_of, recorder=one_sided) as visit:
        visit.read()
        visit.open()
        bench = visit.bench
        assert isinstance(bench, VirtualBench)
        yield from of_the_switch(visit, bench)
        yield from of_cables(bench)
        yield "the servers start", ask(visit, "servers")
        yield "the reference enrols", ask(visit, "enrolment")
        yield "a phone obeys its menu", ask(visit, "canary")
        yield "a mirror of one direction", ask(visit, "mirror")


def of_the_switch(visit: Visit, bench: VirtualBench) -> Iterator[Answered]:
    yield "the switch obeys", ask(visit, "switch")
    yield "ports are edge ports", ask(visit, "edge port")
    bench.misbehave(Misbehaviour.REFUSE)
    yield "the switch refuses to write", ask(visit, "switch")
    bench.misbehave(Misbehaviour.IGNORE)
    yield "the switch does not do what it says", ask(visit, "wiring")
    bench.misbehave(Misbehaviour.HOLD)
    yield "spanning tree holds phones back", ask(visit, "edge port")
    visit.quick = True
    yield "spanning tree, not measured", ask(visit, "edge port")
    visit.quick = False
    bench.misbehave(Misbehaviour.NONE)
    bench.power("j139-1").off()
    visit.quick = True
    yield "a phone without power", ask(visit, "wiring")
    visit.quick = False
    bench.power("j139-1").on()
    bench.stop_agent()
    yield "snmpd is dead", ask(visit, "switch")
    bench.start_agent()


def of_cables(bench: VirtualBench) -> Iterator[Answered]:
    """By the eyes of a bench of kind real, which brings its own community."""
    word = (bench.state / "community").read_text()
    for way, file, check in (
        ("the community is wrong", real("stranger", "not-ours"), "switch"),
        ("a phone at a wrong port", real("misplaced", word, j179_1="p1.7"), "wiring"),
        ("two phones are swapped", real("swapped", word, j139_1="p1.2", j179_1="p1.1"), "wiring"),
    ):
        with Visit(file, FOLDER, quick=True, open_bench=RealBench) as visit:
            visit.read()
            visit.open()
            yield way, ask(visit, check)


if __name__ == "__main__":
    os.environ["HIL_STATE"] = str(FOLDER / "state")
    sys.stdout.write(json.dumps(dict(ways())))
