"""Installs on the virtual bench, one after another; run as root of a network namespace in a folder with `virtual.yaml`.

Each argument is a line of words for `hil`; prints exit code and output of each as JSON.
"""

from __future__ import annotations

import json
import shlex
import sys

from typer.testing import CliRunner

from hil.cli.main import app
from hil.errors import LabFault, Misuse


def hil(line: str) -> tuple[int | str, str]:
    done = CliRunner().invoke(app, [*shlex.split(line), "--testbed", "virtual.yaml"])
    if isinstance(done.exception, (LabFault, Misuse)):
        return type(done.exception).__name__, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


if __name__ == "__main__":
    json.dump([hil(line) for line in sys.argv[1:]], sys.stdout)
