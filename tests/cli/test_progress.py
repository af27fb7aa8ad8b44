"""What is shown while a verb is at work: on a terminal the step at hand, elsewhere nothing."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

from cli_rig import PASSWORD, PATIENCE, ROOT, Server, run

from hil.scenario import Pend


def test_nothing_is_shown_where_stderr_is_no_terminal(server: Server, tmp_path: Path) -> None:
    server.script(Pend())
    done = run("enroll", server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", tmp_path)
    assert done.exit_code == 3
    assert done.stderr == ""


def test_a_terminal_shows_the_step_and_counts_down(server: Server, tmp_path: Path) -> None:
    server.script(Pend())
    ours, theirs = pty.openpty()
    arguments = ("enroll", server.url, "--cn", "phone", "--challenge-env", "CHALLENGE", "--out", str(tmp_path), "--json")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHALLENGE": PASSWORD, "TERM": "xterm", "COLUMNS": "100"}
    command = [sys.executable, "-m", "hil.cli", *arguments, "--poll-first", "900"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            for _ in range(10_000):
                shown += os.read(ours, 65536)
                if re.search(rb"poll 1 in 89\d s", shown):
                    break
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=PATIENCE)
            os.close(ours)
    assert b"poll 1 in 89" in shown
    assert process.returncode == 130
    assert said.startswith(b"{")
    assert PASSWORD.encode() not in shown + said
