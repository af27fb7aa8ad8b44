"""A bench of kind `real`, with the virtual switch standing where a real one would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from hil.bench.bench import Bench
from hil.bench.real import RealBench
from hil.virtual.bench import VirtualBench

Play = Callable[..., dict[str, Any]]

SCRIPT = """
real = load(os.environ["TESTBED"].replace("bench.yaml", "real.yaml"))
with bench:
    (Path(os.environ["TESTBED"]).parent / "word").write_bytes((bench.state / "community").read_bytes())
    (Path(os.environ["TESTBED"]).parent / "word").chmod(0o600)
"""


def described(testbed_file: Path, **network: object) -> None:
    """A real testbed beside the virtual one, with the same switch and phones."""
    raw = yaml.safe_load(testbed_file.read_text())
    raw |= {"name": "lab-2", "kind": "real", "rate": 1}
    raw["power"]["community_file"] = "word"
    raw["network"] |= network
    for phone in raw["phones"]:
        del phone["virtual"]
    (testbed_file.parent / "real.yaml").write_text(yaml.safe_dump(raw))


def test_both_kinds_are_benches() -> None:
    kinds: list[Callable[..., Bench]] = [RealBench, VirtualBench]
    assert len(kinds) == 2


def test_it_switches_over_the_pcs_own_interface_and_has_a_state_of_its_own(play: Play, testbed_file: Path) -> None:
    described(testbed_file)
    facts = play(
        SCRIPT
        + """
    with bench_for(real) as lab:
        lab.power("j139-1").off()
        dark = bench.power("j139-1").delivering()
        show(kind=type(lab).__name__, dark=not dark, recovered=[entry.phone for entry in lab.recover()], rate=lab.clock.rate,
             capture=lab.capture_interface, state=lab.state.name)
"""
    )
    assert facts == {
        "kind": "RealBench",
        "dark": True,
        "recovered": ["j139-1"],
        "rate": 1.0,
        "capture": "lab0",
        "state": "lab-2",
    }


def test_an_interface_or_address_that_the_pc_has_not_is_named_with_what_it_has(play: Play, testbed_file: Path) -> None:
    tell = """
    try:
        bench_for(real).open()
    except Misuse as misuse:
        show(said=str(misuse))
"""
    described(testbed_file, interface="eth9")
    facts = play(SCRIPT + tell)
    assert "real.yaml:5: network.interface: no interface 'eth9'; this PC has lo, lab0" in facts["said"]
    described(testbed_file, address="192.0.2.9")
    facts = play(SCRIPT + tell)
    assert "network.address: 192.0.2.9 is not an address of this PC; ip address add 192.0.2.9/24 dev lab0" in facts["said"]
