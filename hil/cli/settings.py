"""`hil settings explain`: what a phone would do with a settings file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hil.cli.tables import show_table
from hil.errors import Misuse
from hil.identity import Firmware, Identity
from hil.settings.explain import explanation
from hil.settings.interpret import interpret
from hil.settings.language import MAX_FILE

app = typer.Typer(help="Settings files and what phones take from them.", no_args_is_help=True, add_completion=False)


@app.callback()
def settings() -> None:
    """Settings files and what phones take from them."""


@app.command()
def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="46xxsettings.txt or J100Supgrade.txt; GET looks beside it.")],
    model: Annotated[str, typer.Option(help="For example J179.")],
    mac: Annotated[str, typer.Option(help="For example c8:1f:ea:83:e8:5a.")],
    serial: Annotated[str, typer.Option(help="Serial number.")],
    group: Annotated[int, typer.Option(min=0, max=999, help="GROUP as set on the phone.")] = 0,
    firmware: Annotated[str | None, typer.Option(help="For example 4.0.13.0; without it the newest documents hold.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What that phone would do: each parameter with the line that set it, lines without effect, and the SCEP profiles."""
    if not file.is_file():
        raise Misuse("is no file", file=file, remedy="the path of a settings or upgrade file")
    identity = Identity(model, mac, serial)
    release = None if firmware is None else Firmware(firmware)
    interpretation = interpret(file.name, beside(file.parent), identity, firmware=release, group=group)
    told = explanation(interpretation, identity, firmware=release, group=group)
    if as_json:
        typer.echo(json.dumps(told, indent=2))
    else:
        _print(told)


def beside(folder: Path) -> Callable[[str], bytes | None]:
    """Files of `folder` by bare name; a name with a path, or of no file, is not found."""

    def fetch(name: str) -> bytes | None:
        if not name.isprintable() or Path(name).name != name or not (folder / name).is_file():
            return None
        with (folder / name).open("rb") as stream:
            return stream.read(MAX_FILE + 1)

    return fetch


def _print(told: dict[str, Any]) -> None:
    console = Console()
    who = told["identity"]
    console.print(Text(f"{who['model']} {who['mac']} {who['serial']}, group {told['group']}"))
    console.print(Text("files: " + ", ".join(f["name"] + ("" if f["found"] else " (not found)") for f in told["files"])))
    slots = {profile["slot"] for profile in told["profiles"]}
    rows = sorted((p for p in told["parameters"] if p["set_by"] or p["slot"] in slots), key=lambda p: p["slot"] or 0)
    show_table(console, "Parameters", ("name", "value", "set by"), [(p["name"], p["value"] or '""', _place(p)) for p in rows])
    ignored = [(f"{line['file']}:{line['line']}", line["text"], line["reason"]) for line in told["ignored"]]
    show_table(console, "Lines without effect", ("line", "text", "why"), ignored)
    profiles = [(str(p["slot"]), _sentence(p)) for p in told["profiles"]]
    show_table(console, "SCEP profiles", ("profile", "what the phone does"), profiles)
    for remark in told["remarks"]:
        console.print(Text(f"note: {remark}"))


def _place(parameter: dict[str, Any]) -> str:
    by = parameter["set_by"]
    return f"{by['file']}:{by['line']}" if by else "default"


def _sentence(profile: dict[str, Any]) -> str:
    subject = ", ".join(f"{kind}={value}" for kind, value in profile["subject"])
    return (
        f"enrols with {profile['url']} (CA identifier {profile['ca_identifier'] or 'null'}) as {subject}; "
        f"RSA {profile['key_bits']}, {profile['cipher']}, challenge password {profile['challenge_password']}; "
        f"renews at {profile['renew_percent']} % of the validity; for {profile['usage']}"
    )
