"""The same night with the switch told in other ways: how power goes off and on is nothing that a verdict depends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from night_rig import ONCE_MORE, Ended, Rig

from hil.judge.verdict import Verdict

SELECTED = "test_keylen_4096 or test_keylen_default or test_the_port_opens"
DEFECT = "keylen-4096-ignored"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, virtual_ways: dict[str, dict[str, Any]]) -> Iterator[dict[str, Ended]]:
    """A night of a phone with a defect over each way, all at once; they share the PC and nothing else."""
    ways: dict[str, dict[str, Any] | None] = {"snmp v2c": None, "snmp v3": virtual_ways["snmp"]}
    ways |= {kind: virtual_ways[kind] for kind in ("ssh", "serial")}
    rig = Rig(tmp_path_factory.mktemp("ways"))
    try:
        runs = {
            way: rig.begin(
                "-k",
                SELECTED,
                ONCE_MORE,
                name=way,
                testbed=rig.testbed(way, power=power, defects=[DEFECT], firmware="4.1.11.0.9"),
            )
            for way, power in ways.items()
        }
        yield {way: run.end(within=300) for way, run in runs.items()}
    finally:
        rig.clear_away()


@pytest.mark.parametrize("way", ["snmp v3", "ssh", "serial"])
def test_verdicts_are_those_of_the_night_over_snmp_v2c(way: str, nights: dict[str, Ended]) -> None:
    ended, other = nights[way], nights["snmp v2c"]
    assert ended.code == 1, ended.said
    assert judged(ended) == judged(other)
    assert {Verdict.DEVIATES, Verdict.CONFORMS} <= set(ended.verdicts.values())
    assert ended.record.faults == ()
    assert ended.dark_ports == ended.left == ()


def judged(ended: Ended) -> dict[str, tuple[Verdict, Verdict | None]]:
    return {test.id: (test.verdict, test.confirmation and test.confirmation.verdict) for test in ended.record.tests}
