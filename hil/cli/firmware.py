"""`hil firmware`: another release onto phones, the way back, and phones that are at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from hil.bench.bench import bench_for
from hil.bench.claim import Use, key_of
from hil.bench.state import state_root, user
from hil.bench.testbed import Phone, Testbed, load
from hil.bench.upgrading import UpgradeBook
from hil.campaign.opening import opened
from hil.cli.terminations import terminations_as_ctrl_c
from hil.errors import LabFault, Misuse
from hil.firmware.images import ImageSet, Offer
from hil.firmware.installing import LIMIT, Installer, Outcome, offers_for, way_back
from hil.firmware.keeping import Cellar

NOT_INSTALLED, FAULT, INTERRUPTED = 1, 11, 130

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Firmware of phones: install, and go back."
)

TestbedFile = Annotated[Path, typer.Option("--testbed", metavar="FILE", help="The testbed that describes the bench.")]
PhoneNames = Annotated[list[str], typer.Option("--phone", metavar="NAME", help="A phone by name; may be given again.")]
Limit = Annotated[float, typer.Option(min=1, metavar="SECONDS", help="Phone seconds from power on until a phone is back.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what became of each phone as JSON.")]


@app.command()
def install(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Images, or the one folder that they came in.")],
    phone: PhoneNames,
    testbed: TestbedFile,
    former: Annotated[list[Path] | None, typer.Option(metavar="IMAGE", help="Image or folder of what phones run now.")] = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """Have phones take the firmware in IMAGE, and wait until each is back with it.

    Exit status: 0 all run it, 1 a phone does not, 2 misuse, 11 the bench failed. A phone that was not seen back keeps its
    power, whoever asks, until the same install sees it or `hil firmware give-up` says otherwise.
    """
    described = load(testbed)
    phones = _phones(described, phone)
    cellar = Cellar(state_root())
    offers = offers_for(ImageSet.read(images), phones)
    if former:
        cellar.keep(offers_for(ImageSet.read(former), phones))
    offers = cellar.keep(offers)
    _end(_play(described, phones, offers, cellar, limit, as_json), as_json)


@app.command()
def back(phone: PhoneNames, testbed: TestbedFile, limit: Limit = LIMIT, as_json: AsJson = False) -> None:
    """Have phones take the firmware again that they ran before the last install."""
    described = load(testbed)
    phones = _phones(described, phone)
    cellar = Cellar(state_root())
    offers = {each.name: _former_offer(described, each, cellar) for each in phones}
    _end(_play(described, phones, offers, cellar, limit, as_json), as_json)


@app.command()
def status(testbed: TestbedFile) -> None:
    """Show which phones are being upgraded, and so keep their power."""
    described, book = load(testbed), UpgradeBook(state_root())
    for phone in described.phones:
        found = book.of(key_of(described, phone))
        text = f"is being upgraded to {found.target}, since {found.at} by {found.by}" if found else "is not being upgraded"
        typer.echo(f"{phone.name}: {text}")


@app.command("give-up")
def give_up(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="Name of the phone in the testbed.")],
    testbed: TestbedFile,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; such as what its screen shows.")],
) -> None:
    """Let a phone's power be switched again though it was not seen back from its upgrade; look at its screen before."""
    described = load(testbed)
    ended = UpgradeBook(state_root()).give_up(key_of(described, described.phone(phone)), reason)
    if ended is None:
        raise Misuse("is not being upgraded", key=phone, remedy="hil firmware status shows which phones are")
    typer.echo(f"{phone}: given up by {user()} ({reason}); it was offered {ended.target} at {ended.at} by {ended.by}")


def _phones(testbed: Testbed, names: list[str]) -> list[Phone]:
    return [testbed.phone(name) for name in dict.fromkeys(names)]


def _former_offer(testbed: Testbed, phone: Phone, cellar: Cellar) -> Offer:
    release = cellar.before(key_of(testbed, phone))
    if release is None:
        raise Misuse("nothing was installed on it here", key=phone.name, remedy="hil firmware install IMAGE installs any release")
    offer = way_back(phone, cellar, release)
    if offer is None:
        raise Misuse(f"no image of {release} is kept", key=phone.name, remedy="hil firmware install IMAGE, with that release")
    return offer


def _play(
    testbed: Testbed, phones: list[Phone], offers: Mapping[str, Offer], cellar: Cellar, limit: float, as_json: bool
) -> dict[str, Outcome | LabFault]:
    """Install on an opened bench, telling what is seen as it happens; with JSON on standard error."""

    def tell(name: str, text: str) -> None:
        typer.echo(f"{name}: {text}", err=as_json)

    use = Use("hil firmware", tuple(phone.name for phone in phones))
    try:
        with (
            terminations_as_ctrl_c(),
            TemporaryDirectory(prefix="hil-firmware-") as run,
            opened(bench_for(testbed, use), Path(run)) as bench,
        ):
            return Installer(bench.stage, cellar, tell, limit).install(phones, offers)
    except KeyboardInterrupt:
        typer.echo("interrupted; hil firmware status shows which phones keep their power", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _end(outcomes: Mapping[str, Outcome | LabFault], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"phones": {name: _facts(outcome) for name, outcome in outcomes.items()}}, indent=1))
    else:
        for name, outcome in outcomes.items():
            typer.echo(f"{name}: {outcome}")
    if any(isinstance(outcome, LabFault) for outcome in outcomes.values()):
        raise typer.Exit(FAULT)
    if not all(isinstance(outcome, Outcome) and outcome.done for outcome in outcomes.values()):
        raise typer.Exit(NOT_INSTALLED)


def _facts(outcome: Outcome | LabFault) -> dict[str, object]:
    if isinstance(outcome, LabFault):
        return {"fault": str(outcome)}
    return {
        "target": str(outcome.target),
        "result": outcome.result.name.lower(),
        "before": str(outcome.before) if outcome.before else None,
        "now": str(outcome.now) if outcome.now else None,
        "rolled_back": _facts(outcome.rolled_back) if outcome.rolled_back else None,
    }
