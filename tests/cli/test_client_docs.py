"""docs/scep-client.md: its commands run, its codes and reasons are those of the code."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from cli_rig import ROOT, Server, pair, run

from hil.cli.saying import EXIT_CODES, reason_of
from hil.scep.client import ReplyRefused
from hil.scep.http import ScepHttpError, TlsFault, TransportFault
from hil.scep.trust import UntrustedCa

PAGE = (ROOT / "docs" / "scep-client.md").read_text()
MISUSE = 2


def rows(head: str) -> list[list[str]]:
    """Cells of the table whose first line begins so, without its head."""
    table = PAGE[PAGE.index(head) :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_the_commands_run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("URL", server.url)
    monkeypatch.setenv("CA_FINGERPRINT", server.fingerprint)
    commands = re.findall(r"^    hil (.+)$", PAGE, re.MULTILINE)
    assert {command.split()[0] for command in commands} == {"getca", "enroll", "renew", "getcrl", "getcert"}
    for command in commands:
        if "$SERIAL" in command:
            monkeypatch.setenv("SERIAL", f"{pair(tmp_path / 'phone')[0].serial_number:x}")
        done = run(*shlex.split(os.path.expandvars(command)))
        assert done.exit_code == 0, (command, done.output, done.exception)


def test_exit_codes_are_those_of_the_code() -> None:
    documented = {outcome: int(code) for code, outcomes, _ in rows("| exit code") for outcome in re.findall(r"`(.+?)`", outcomes)}
    assert documented == EXIT_CODES
    assert MISUSE in {int(code) for code, *_ in rows("| exit code")}


def test_reasons_are_those_of_the_code() -> None:
    faults = (TransportFault(""), TlsFault(""), ScepHttpError(503, "", tried=""), UntrustedCa(""), ReplyRefused(""))
    assert [name.strip("`") for name, _ in rows("| `reason`")] == list(map(reason_of, faults))
