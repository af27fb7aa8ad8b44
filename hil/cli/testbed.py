"""`hil testbed`: the file that describes a bench."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hil.bench.inventory import needed_secrets, refuse_unfit, services
from hil.bench.strict import Strict
from hil.bench.testbed import Testbed, load
from hil.bench.testbed import schema as schema_of_testbeds
from hil.campaign.cast import check_ca
from hil.cli.interview import interview
from hil.cli.main import UNFIT
from hil.cli.tables import show_table
from hil.errors import Misuse

INTERRUPTED = 130

Described = Annotated[Path, typer.Argument(metavar="[FILE]", help="The testbed.")]

app = typer.Typer(help="The file that describes a bench.", no_args_is_help=True, add_completion=False)


@app.callback()
def testbed() -> None:
    """The file that describes a bench."""


@app.command()
def init(
    file: Described = Path("testbed.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
) -> None:
    """Ask what stands on a bench of real phones, and write its testbed. Nothing is written before the last answer."""
    if file.exists() and not force:
        raise Misuse("is there already", file=file, remedy="name another file, or overwrite it with --force")
    if not os.access(file.parent, os.W_OK):
        raise Misuse("cannot be written", file=file, remedy="name a file in a folder of your own")
    try:
        text = interview(file)
    except typer.Abort:
        typer.echo("\nnothing was written", err=True)
        raise typer.Exit(INTERRUPTED) from None
    write_whole(file, text, overwrite=force)
    editors = file.with_name("testbed.schema.json")
    if not editors.exists():
        write_whole(editors, _schema_text(), overwrite=False)
    typer.echo(f"\n{file} is written.")
    for secret in needed_secrets(load(file)):
        if secret.missing is not None:
            typer.echo(f"Before a run: {secret.missing}")
    typer.echo(f"See what it says: hil testbed check {file}")


@app.command()
def check(
    file: Described = Path("testbed.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show what a testbed describes, and which secrets it needs; exit code 10 where a run could not start from it.

    Nothing is opened: no interface, no switch.
    """
    told: dict[str, Any] = {"file": str(file)}
    problems: Sequence[Misuse] = ()
    try:
        described = load(file)
        told |= _told(described)
        problems = _problems(described)
    except Misuse as misuse:
        problems = (misuse,)
    told["problems"] = [{**vars(problem), "text": str(problem)} for problem in problems]
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        if "name" in told:
            _show(told)
        for problem in problems:
            typer.echo(f"hil: {problem}", err=True)
    if problems:
        raise typer.Exit(UNFIT)


@app.command()
def schema(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Where to write it; without, it is shown.")] = None,
) -> None:
    """The JSON schema by which editors check and explain a testbed, with every way of power that is installed."""
    if file is None:
        typer.echo(_schema_text(), nl=False)
    else:
        write_whole(file, _schema_text(), overwrite=True)


def write_whole(file: Path, text: str, *, overwrite: bool) -> None:
    """Write `file` so that it is there whole or not at all; `Misuse` where it cannot be, or is there already."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        if overwrite:
            draft.replace(file)
        else:
            file.hardlink_to(draft)
    except OSError as error:
        raise Misuse(f"cannot be written: {error.strerror}", file=file, remedy="name another file") from error
    finally:
        draft.unlink(missing_ok=True)


def _schema_text() -> str:
    return json.dumps(schema_of_testbeds(), indent=1) + "\n"


def _problems(testbed: Testbed) -> list[Misuse]:
    """What keeps a run from starting: every secret that is missing, or the first thing else."""
    missing = [secret.missing for secret in needed_secrets(testbed) if secret.missing is not None]
    if not missing:
        try:
            check_ca(testbed)
            refuse_unfit(testbed)
        except Misuse as misuse:
            return [misuse]
    return missing


def _told(testbed: Testbed) -> dict[str, Any]:
    network = testbed.network
    sections = [(key, value) for key, value in testbed if isinstance(value, Strict)]
    return {
        "name": testbed.name,
        "kind": testbed.kind,
        "rate": testbed.rate,
        "interface": network.interface,
        "address": f"{network.address}/{network.prefix}",
        "sections": {key: model.model_dump(mode="json", exclude_unset=True) for key, model in sections},
        "phones": [
            {
                **phone.model_dump(mode="json", include={"name", "model", "mac", "serial", "address", "reference"}),
                "outlet": phone.power.model_dump(mode="json"),
                "asks_8021x": testbed.asks_8021x(phone),
            }
            for phone in testbed.phones
        ],
        "services": [asdict(service) for service in services(testbed)],
        "secrets": [
            {"key": secret.key, "place": secret.place, "there": secret.missing is None} for secret in needed_secrets(testbed)
        ],
    }


def _show(told: dict[str, Any]) -> None:
    console = Console(highlight=False)
    rate = f", {told['rate']:g} phone seconds in a second" if told["rate"] != 1 else ""
    console.print(Text(f"{told['name']}: a {told['kind']} bench{rate}; this PC is {told['address']} on {told['interface']}"))
    for key, section in told["sections"].items():
        if section and key != "network":  # which is told by the first line and the servers
            console.print(Text(f"{key}: {_words(section)}"))
    keys = ("name", "model", "mac", "serial", "address", "outlet")
    show_table(console, "Phones", keys, [[_words(phone[key]) for key in keys] for phone in told["phones"]])
    ports = [(each["name"], f"{each['transport']} {each['port']}") for each in told["services"]]
    show_table(console, "Servers of a run", ("server", "port"), ports)
    secrets = [(each["key"], each["place"], "there" if each["there"] else "missing") for each in told["secrets"]]
    show_table(console, "Secrets", ("secret", "from", "is"), secrets)


def _words(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{key} {_words(each)}" for key, each in value.items())
        case [dict(), *_]:
            return "; ".join(map(_words, value))
        case list():
            return shlex.join(map(str, value))
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
    return str(value)
