"""The command `hil`.

What the caller did wrong ends with exit code 2 and one line; what the bench did wrong with 11.
"""

from __future__ import annotations

import sys

import typer

from hil.cli import power, prove, report, settings
from hil.cli.ca import ca
from hil.cli.decode import decode
from hil.cli.enroll import enroll
from hil.cli.getca import getca
from hil.cli.getcert import getcert
from hil.cli.getcrl import getcrl
from hil.cli.nextca import nextca
from hil.cli.proxy import proxy
from hil.cli.renew import renew
from hil.errors import LabFault, Misuse

MISUSE, FAULT = 2, 11

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Test bench for SCEP on Avaya J100 phones. The suite itself is run by pytest; see README.md.",
)
app.command()(decode)
app.command()(enroll)
app.command()(renew)
app.command()(getca)
app.command()(nextca)
app.command()(getcrl)
app.command()(getcert)
app.command()(ca)
app.command()(power.power)
app.command()(power.recover)
app.command()(prove.prove)
app.command()(proxy)
app.command()(report.report)
app.add_typer(settings.app, name="settings")


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
