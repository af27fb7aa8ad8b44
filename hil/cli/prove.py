"""`hil prove`: can each test fail? One night with a phone for each defect, and a phone for each variant among them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from hil.errors import LabFault, Misuse
from hil.judge.verdict import Verdict
from hil.report.record import Record, Test

SUITE = Path(__file__).resolve().parents[2] / "suite"
FIRMWARE = "4.1.11.0.9"
PASSING = (Verdict.CONFORMS, Verdict.CHARACTERISED, Verdict.NOT_APPLICABLE)


@dataclass(frozen=True)
class Caught:
    """A defect, the requirement that it violates, and the tests of that requirement that failed on it."""

    name: str
    requirement: str
    caught: bool
    by: tuple[str, ...]


@dataclass(frozen=True)
class Spared:
    """A variant, the tests that wrongly did not pass on it, and what became of each instead."""

    name: str
    failed: tuple[str, ...]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proof:
    """What became of every defect and variant."""

    defects: tuple[Caught, ...]
    variants: tuple[Spared, ...]

    @property
    def false_alarms(self) -> int:
        """Tests that failed on phones that do nothing wrong."""
        return sum(len(variant.failed) for variant in self.variants)

    @property
    def holds(self) -> bool:
        """Whether each defect was caught and no variant blamed."""
        return all(defect.caught for defect in self.defects) and not self.false_alarms


def prove(
    only: Annotated[list[str] | None, typer.Option("--only", help="This defect or variant alone; may be given again.")] = None,
    rate: Annotated[float, typer.Option(help="Phone seconds in one real second; lower on a slow machine.")] = 30.0,
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Play one night on a virtual bench of defective and of unusual phones; exit 0 if each defect is caught and no variant is."""
    if not SUITE.is_dir():
        raise Misuse("there is no suite here", file=SUITE, remedy="run hil prove from a checkout of the repository")
    defects, variants = _chosen(_listed("--list-defects"), only), _chosen(_listed("--list-variants"), only)
    if not defects and not variants:
        raise Misuse(
            f"no defect or variant is called {', '.join(only or ())}", key="--only", remedy="docs/virtual-phone.md lists them all"
        )
    with tempfile.TemporaryDirectory(prefix="hil-prove-") as scratch:
        testbed = Path(scratch) / "prove.yaml"
        testbed.write_text(yaml.safe_dump(testbed_of(defects, variants, rate), sort_keys=False), encoding="utf-8")
        record = play(testbed, report_dir)
    proof = read_proof(record, defects, variants)
    if as_json:
        typer.echo(json.dumps({**asdict(proof), "false_alarms": proof.false_alarms}, indent=1))
    else:
        show(proof, Console())
    if not proof.holds:
        raise typer.Exit(1)


def testbed_of(defects: Sequence[dict[str, str]], variants: Sequence[dict[str, str]], rate: float) -> dict[str, Any]:
    """A testbed with a phone for each; one with a defect plays the tests of the requirement that it violates."""
    kinds = [("defect", entry) for entry in defects] + [("variant", entry) for entry in variants]
    phones = []
    for number, (kind, entry) in enumerate(kinds, 1):
        phone: dict[str, Any] = {
            "name": phone_name(kind, entry["name"]),
            "model": "J179",
            "mac": f"c8:1f:ea:00:01:{number:02x}",
            "serial": f"26WZ5{number:07}",
            "address": f"192.0.2.{100 + number}",
            "reference": f"127.77.1.{number}",
            "power": {"group": 1, "port": number},
            "virtual": {"firmware": FIRMWARE, "boot_delay": 10, f"{kind}s": [entry["name"]]},
        }
        if kind == "defect":
            phone["requirements"] = [entry["requirement"]]
        phones.append(phone)
    return {
        "name": "prove",
        "kind": "virtual",
        "rate": rate,
        "times": {"boot_limit": 900, "quiet": 45, "settle": 45, "off_time": 0.1},
        "network": {"interface": "lab0", "address": "192.0.2.1"},
        "power": {"kind": "snmp", "address": "192.0.2.2", "timeout": 3, "limit": 30},
        "phones": phones,
    }


def phone_name(kind: str, name: str) -> str:
    """What the phone with this defect or variant is called on the bench of the proof."""
    return f"{kind[0]}-{name}"


def play(testbed: Path, report_dir: Path) -> Record:
    """Play the suite on `testbed`; the run's record. `LabFault` where it left none."""
    before = _latest(report_dir)
    command = [
        sys.executable,
        "-m",
        "pytest",
        str(SUITE),
        "--testbed",
        str(testbed),
        "--report-dir",
        str(report_dir),
        "--bench-retries=2",
        "-q",
        "--tb=no",
    ]
    own_state = {**os.environ, "HIL_STATE": str(testbed.parent / "state")}
    played = subprocess.run(command, stdout=sys.stderr, cwd=SUITE.parent, env=own_state, check=False)
    run = _latest(report_dir)
    if run is None or run == before:
        raise LabFault("the night of the proof left no record", tried="pytest suite", seen=f"exit {played.returncode}")
    return Record.load(run)


def read_proof(record: Record, defects: Sequence[dict[str, str]], variants: Sequence[dict[str, str]]) -> Proof:
    """What the record says of each defect and variant."""

    def of(kind: str, entry: dict[str, str]) -> list[Test]:
        return [test for test in record.tests if test.phone == phone_name(kind, entry["name"])]

    caught = []
    for entry in defects:
        by = tuple(
            test.name
            for test in of("defect", entry)
            if entry["requirement"] in test.requirements and test.verdict is Verdict.DEVIATES
        )
        caught.append(Caught(entry["name"], entry["requirement"], bool(by), by))
    spared = []
    for entry in variants:
        played = of("variant", entry)
        failed = [test for test in played if test.verdict not in PASSING]
        names = tuple(test.name for test in failed) if played else ("nothing was played",)
        spared.append(Spared(entry["name"], names, tuple(map(_reason, failed))))
    return Proof(tuple(caught), tuple(spared))


def show(proof: Proof, console: Console) -> None:
    """Print defect by test, then the variants."""
    table = Table("defect", "requirement", "caught by", title="defects", title_justify="left")
    for defect in proof.defects:
        table.add_row(
            defect.name, defect.requirement, ", ".join(dict.fromkeys(defect.by)) if defect.caught else "[bold]NOT CAUGHT"
        )
    console.print(table)
    table = Table("variant", "failed", title="variants", title_justify="left")
    for variant in proof.variants:
        table.add_row(variant.name, "\n".join(variant.reasons) or ", ".join(variant.failed) or "none")
    console.print(table)
    caught = sum(defect.caught for defect in proof.defects)
    console.print(
        f"{caught} of {len(proof.defects)} defects caught, {proof.false_alarms} false alarms on {len(proof.variants)} variants"
    )


def _reason(test: Test) -> str:
    findings = [f"{finding.fact} {finding.verdict}" for finding in test.findings if finding.verdict not in PASSING]
    return f"{test.name} {test.verdict} in {test.sitting}: {test.reason or ', '.join(findings)}"


def _listed(option: str) -> list[dict[str, str]]:
    """What the virtual phone says of itself; it is asked as the program it is."""
    command = [sys.executable, "-P", "-m", "hil.virtual.phone", option]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    entries: list[dict[str, str]] = json.loads(answer.stdout)
    return entries


def _chosen(entries: list[dict[str, str]], only: Sequence[str] | None) -> list[dict[str, str]]:
    return [entry for entry in entries if not only or entry["name"] in only]


def _latest(report_dir: Path) -> Path | None:
    link = report_dir / "latest"
    return link.resolve() if link.exists() else None
