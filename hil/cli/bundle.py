"""`hil bundle`: one finding as one archive, for a ticket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.bundling import EVIDENCE, KEYS, RUN, Finding, contents, find, pack
from hil.cli.night import SUITE
from hil.evidence import SittingManifest
from hil.judge.verdict import Verdict
from hil.report.record import Finding as Fact
from hil.report.record import InCapture
from hil.report.values import printable, show

MIB = 2**20
EXIT_CODES = {Verdict.DEVIATES: 1, Verdict.BENCH_FAULT: 11, Verdict.INCONCLUSIVE: 12, Verdict.NOT_APPLICABLE: 12}
"""pytest's exit code where this verdict is the only one; 0 for all others."""


def bundle(
    finding: Annotated[str, typer.Argument(metavar="FINDING", help="Id of a test in the report, or a part that no other has.")],
    report_dir: Annotated[Path, typer.Option(help="Folder of runs.")] = Path("reports"),
    run: Annotated[str, typer.Option(metavar="NAME", help="The run, by the name of its folder.")] = "latest",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The archive; without it one here, named as the finding.")
    ] = None,
    tests: Annotated[Path, typer.Option(metavar="DIR", help="The folder that test ids start at.")] = SUITE.parent,
    limit: Annotated[int, typer.Option(metavar="MIB", min=1, help="Most that may go into it.")] = 100,
) -> None:
    """Pack what a finding rests on, the keys to read it, and the tests that judge it again, for a ticket."""
    found = find((report_dir / run).resolve(), finding)
    archive = out or Path(f"bundle-{found.record.run.id}-{_slug(found.test.name)}-{_slug(found.test.phone)}.tar.gz")
    moment = int(found.record.run.started.timestamp())
    size = pack(contents(found, tests, readme(found)), archive, moment=moment, limit=limit * MIB)
    typer.echo(f"{archive}: {size / MIB:.1f} MiB, packed {archive.stat().st_size / MIB:.1f} MiB")
    typer.echo(f"in the unpacked folder, to judge it again: {found.command}")


def readme(found: Finding) -> str:
    """What the finding is, how to look at it, how to judge it again, and what of the bundle is secret."""
    test, run = found.test, found.record.run
    (phone,) = (phone for phone in found.record.phones if phone.name == test.phone)
    facts = "\n".join(_fact(fact) for fact in test.findings)
    proxied = "\nWhat passed to a real CA (`ca/proxy` of the run) is left out.\n" if (found.run / "ca" / "proxy").exists() else ""
    by = f"j100-hil {run.versions.get('j100-hil', '?')}, Python {run.versions.get('python', '?')}"
    return f"""# {printable(test.id)}

{test.verdict} on {phone.name}: {phone.model}, {phone.mac}, serial number {phone.serial}, firmware {phone.firmware or "not seen"}.
{printable(test.reason or "")}

Run {run.id} on bench {run.testbed.name} ({run.testbed.kind}), {by}.
`{RUN}/record.json` has all that the report said of it.

| fact | phone | expected | reference | by | proof |
|---|---|---|---|---|---|
{facts}

## Judge it again

With j100-hil of that version installed, in this folder:

    {found.command}

It ends with exit code {EXIT_CODES.get(test.verdict, 0)}, and leaves a report in `replayed/latest/index.html`.

## Look at it

{"".join(_looks(found))}
## What of it is secret

`{RUN}/{KEYS}` holds the private keys of the bench's own CAs, the same in all its runs, and `boot-*.keys` the secrets of TLS
connections to the bench. They open what the phones sealed. Nothing but the phones on that bench trusts those CAs; to those
phones, who has the keys is the bench.
`{RUN}/{KEYS}/passwords.json` holds the passwords that stood in the settings files, where `withheld-1` and so on stands for
them now. The captures have them as they crossed the wire, and the test has those that its author wrote into it.
Hand the bundle on as you would those passwords.
{proxied}"""


def _fact(fact: Fact) -> str:
    where = fact.phone_seen
    proof = "" if where is None else f"{where.file}, {'frame' if isinstance(where, InCapture) else 'line'} {_place(fact)}"
    seen = show(fact.phone).text if where is not None or fact.phone is not None else "not observed"
    cells = (
        fact.fact,
        seen,
        show(fact.expected, absent="").text,
        show(fact.reference).text,
        fact.rule,
        proof,
    )
    verdict = f" ({fact.verdict})" if fact.verdict is Verdict.DEVIATES else ""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (cells[0] + verdict, *cells[1:])) + " |"


def _place(fact: Fact) -> int:
    where = fact.phone_seen
    assert where is not None
    return where.frame if isinstance(where, InCapture) else where.line


def _looks(found: Finding) -> Iterator[str]:
    """Commands that show each boot."""
    for folder in found.sittings:
        for boot in SittingManifest.load(folder).boots:
            place = f"{RUN}/{EVIDENCE}/{found.test.phone}/{folder.name}"
            keys = f" -o tls.keylog_file:{place}/{boot.keys}" if boot.keys else ""
            yield f"    hil decode {place}/{boot.capture} --key {RUN}/{KEYS}/ca.key\n"
            yield f"    tshark -r {place}/{boot.capture}{keys} -Y http\n"


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text).strip("-")[:60]
