"""`hil prove`: can each test fail, and for what is wrong alone? A phone for each defect, and a phone for each variant."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
import yaml
from rich.console import Console
from rich.table import Table

from hil.cli.night import JUDGED, play
from hil.errors import Misuse
from hil.judge.verdict import Verdict
from hil.report.record import Test

FIRMWARE = "4.1.11.0.9"
PASSING = (Verdict.CONFORMS, Verdict.CHARACTERISED, Verdict.NOT_APPLICABLE)
MOST_PHONES = 200
"""A bench has one network of 254 addresses."""


@dataclass(frozen=True)
class Role:
    """What one phone of the proof is: a defect or a variant, as the virtual phone lists it."""

    kind: Literal["defect", "variant"]
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the virtual phone calls it."""
        return str(self.entry["name"])

    @property
    def phone(self) -> str:
        """What its phone is called on the bench of the proof."""
        return f"{self.kind[0]}-{self.name}"

    @property
    def requirements(self) -> tuple[str, ...]:
        """The requirement that a defect breaks, those that a variant is about; none where it is about all."""
        return (self.entry["requirement"],) if self.kind == "defect" else tuple(self.entry["about"])


@dataclass(frozen=True)
class Caught:
    """A defect, the requirement that it violates, and the tests of that requirement that failed on it."""

    name: str
    requirement: str
    caught: bool
    by: tuple[str, ...]


@dataclass(frozen=True)
class Spared:
    """A variant, what wrongly did not pass on it, what became of each instead, and how many tests judged it."""

    name: str
    failed: tuple[str, ...]
    reasons: tuple[str, ...]
    judged: int


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
    def judged(self) -> int:
        """Tests that judged a variant."""
        return sum(variant.judged for variant in self.variants)

    @property
    def holds(self) -> bool:
        """Whether each defect was caught and no variant blamed."""
        return all(defect.caught for defect in self.defects) and not self.false_alarms

    def __str__(self) -> str:
        caught = sum(defect.caught for defect in self.defects)
        blamed = f"{self.false_alarms} false alarms on {len(self.variants)} variants ({self.judged} judgments)"
        return f"{caught} of {len(self.defects)} defects caught, {blamed}"


def prove(
    only: Annotated[list[str] | None, typer.Option("--only", help="This defect or variant alone; may be given again.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Play the whole suite on each variant.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="One defect of each requirement, each variant by the first that it is about.")
    ] = False,
    rate: Annotated[float, typer.Option(help="Phone seconds in one real second; lower on a slow machine.")] = 30.0,
    at_once: Annotated[int, typer.Option(min=1, max=MOST_PHONES, help="Phones that play at the same time.")] = 12,
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Play defective and unusual phones on a virtual bench; exit 0 if each defect is caught and no variant is.

    A defect plays the tests of the requirement that it breaks, a variant those of the requirements that it is about.
    """
    cast = [Role("defect", entry) for entry in _listed("--list-defects") if not only or entry["name"] in only]
    cast += [Role("variant", entry) for entry in _listed("--list-variants") if not only or entry["name"] in only]
    if not cast:
        raise Misuse(
            f"no defect or variant is called {', '.join(only or ())}", key="--only", remedy="docs/virtual-phone.md lists them all"
        )
    cast = briefly(cast) if quick else cast
    nights = shared_out(cast, MOST_PHONES)
    tests: list[Test] = []
    for ordinal, company in enumerate(nights, 1):
        typer.echo(f"night {ordinal} of {len(nights)}: {len(company)} phones", err=True)
        tests += _played(bench_for(company, full, rate, at_once), report_dir)
    proof = read_proof(tests, cast)
    if as_json:
        typer.echo(str(proof), err=True)
        typer.echo(json.dumps({**asdict(proof), "false_alarms": proof.false_alarms, "judged": proof.judged}, indent=1))
    else:
        show(proof, Console())
    if not proof.holds:
        raise typer.Exit(1)


def briefly(cast: Sequence[Role]) -> list[Role]:
    """One defect of each requirement, and each variant about the first of its requirements alone."""
    defects: dict[tuple[str, ...], Role] = {}
    variants: list[Role] = []
    for role in cast:
        if role.kind == "defect":
            defects.setdefault(role.requirements, role)
        else:
            variants.append(replace(role, entry={**role.entry, "about": role.requirements[:1]}))
    return [*defects.values(), *variants]


def shared_out(cast: Sequence[Role], most: int) -> list[Sequence[Role]]:
    """As few nights as `most` phones in each allow, alike in size and kind."""
    number = -(-len(cast) // most)
    return [cast[night::number] for night in range(number)]


def _played(bench: Mapping[str, Any], report_dir: Path) -> tuple[Test, ...]:
    with tempfile.TemporaryDirectory(prefix="hil-prove-") as scratch:
        testbed = Path(scratch) / "prove.yaml"
        testbed.write_text(yaml.safe_dump(bench, sort_keys=False), encoding="utf-8")
        night = play(
            testbed, report_dir, "--bench-retries=2", "--no-confirmation", "-q", "--tb=no", state=Path(scratch) / "state"
        )
    return night.record.tests


def bench_for(company: Sequence[Role], full: bool, rate: float, at_once: int) -> dict[str, Any]:
    """A testbed with a phone for each role; where not `full`, it plays the tests of the requirements that it is about."""
    phones = []
    for number, role in enumerate(company, 1):
        phone: dict[str, Any] = {
            "name": role.phone,
            "model": "J179",
            "mac": f"c8:1f:ea:00:01:{number:02x}",
            "serial": f"26WZ5{number:07}",
            "address": f"192.0.2.{9 + number}",
            "reference": f"127.77.1.{number}",
            "power": {"group": 1, "port": number},
            "virtual": {"firmware": FIRMWARE, "boot_delay": 10, f"{role.kind}s": [role.name]},
        }
        if role.requirements and not (full and role.kind == "variant"):
            phone["requirements"] = list(role.requirements)
        phones.append(phone)
    return {
        "name": "prove",
        "kind": "virtual",
        "rate": rate,
        "times": {"boot_limit": 900, "quiet": 45, "settle": 45, "off_time": 0.1},
        "at_once": at_once,
        "network": {"interface": "lab0", "address": "192.0.2.1", "radius": {"clients": ["192.0.2.2"]}},
        "power": {"kind": "snmp", "address": "192.0.2.2", "timeout": 3, "limit": 30},
        "phones": phones,
    }


def read_proof(tests: Sequence[Test], cast: Sequence[Role]) -> Proof:
    """What was played says of each defect and variant."""
    of_phone: dict[str, list[Test]] = {}
    for test in tests:
        of_phone.setdefault(test.phone, []).append(test)
    return Proof(
        tuple(_caught(role, of_phone.get(role.phone, [])) for role in cast if role.kind == "defect"),
        tuple(_spared(role, of_phone.get(role.phone, [])) for role in cast if role.kind == "variant"),
    )


def _caught(role: Role, played: Sequence[Test]) -> Caught:
    (requirement,) = role.requirements
    by = tuple(test.name for test in played if requirement in test.requirements and test.verdict is Verdict.DEVIATES)
    return Caught(role.name, requirement, bool(by), by)


def _spared(role: Role, played: Sequence[Test]) -> Spared:
    failed = [test for test in played if test.verdict not in PASSING]
    judged = [test for test in played if test.verdict in JUDGED]
    missed = sorted(set(role.requirements) - {requirement for test in judged for requirement in test.requirements})
    unplayed = tuple(f"{requirement} was not judged" for requirement in missed) if played else ("nothing was played",)
    return Spared(role.name, (*(test.name for test in failed), *unplayed), (*map(_reason, failed), *unplayed), len(judged))


def show(proof: Proof, console: Console) -> None:
    """Print defect by test, then the variants."""
    table = Table("defect", "requirement", "caught by", title="defects", title_justify="left")
    for defect in proof.defects:
        by = ", ".join(dict.fromkeys(defect.by)) if defect.caught else "[bold]NOT CAUGHT"
        table.add_row(defect.name, defect.requirement, by)
    console.print(table)
    table = Table("variant", "judged", "failed", title="variants", title_justify="left")
    for variant in proof.variants:
        table.add_row(variant.name, str(variant.judged), "\n".join(variant.reasons) or "none")
    console.print(table)
    console.print(str(proof))


def _reason(test: Test) -> str:
    findings = [f"{finding.fact} {finding.verdict}" for finding in test.findings if finding.verdict not in PASSING]
    return f"{test.name} {test.verdict} in {test.sitting}: {test.reason or ', '.join(findings)}"


def _listed(option: str) -> list[dict[str, Any]]:
    """What the virtual phone says of itself; it is asked as the program it is."""
    command = [sys.executable, "-P", "-m", "hil.virtual.phone", option]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    entries: list[dict[str, Any]] = json.loads(answer.stdout)
    return entries
