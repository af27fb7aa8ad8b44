"""The command `hil`.

What the caller did wrong ends with exit code 2 and one line, what the bench did wrong with 11; `hil testbed check`
and `hil doctor` end with 10 where a run could not start.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from hil.errors import LabFault, Misuse

MISUSE, UNFIT, FAULT = 2, 10, 11

VERBS = {
    "decode": "decode",
    "doctor": "doctor",
    "dhcp": "dhcp",
    "enroll": "enroll",
    "firmware": "firmware",
    "renew": "renew",
    "characterise": "characterise",
    "getca": "getca",
    "nextca": "nextca",
    "getcrl": "getcrl",
    "getcert": "getcert",
    "bundle": "bundle",
    "ca": "ca",
    "labgrid": "labgrid",
    "nights": "nights",
    "park": "park",
    "power": "power",
    "recover": "power",
    "prove": "prove",
    "proxy": "proxy",
    "reference": "reference",
    "release": "lease",
    "report": "report",
    "settings": "settings",
    "testbed": "testbed",
    "who": "lease",
    "wiring": "wiring",
}
"""The module of `hil.cli` that has each verb."""


class _Verbs(TyperGroup):
    """Loads the module of the verb that is asked for and no other: to load all takes longer than most verbs do."""

    def list_commands(self, _: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, _: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module = import_module(f"hil.cli.{VERBS[cmd_name]}")
        verbs: typer.Typer | None = getattr(module, "app", None)
        if verbs is None:
            verbs = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            verbs.command(cmd_name)(getattr(module, cmd_name))
        command = get_command(verbs)
        command.name = cmd_name
        return command


app = typer.Typer(cls=_Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def hil() -> None:
    """Test bench for SCEP on Avaya J100 phones. The suite itself is run by pytest; see README.md."""


def main() -> None:
    """Run the command; every error that is foreseen is one line."""
    try:
        app()
    except Misuse as misuse:
        sys.stderr.write(f"hil: {misuse}\n")
        sys.exit(MISUSE)
    except LabFault as fault:
        sys.stderr.write(f"hil: {fault}\n")
        sys.exit(FAULT)
