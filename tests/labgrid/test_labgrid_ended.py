"""Runs and agents that have ended: whose places are taken away from them, and who is asked once more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from hil.bench.labgrid import Labgrid
from hil.bench.labgrid.places import Places, _is_dead
from hil.bench.testbed import load

ASKED = """
import subprocess, sys
from hil.bench.labgrid.places import _is_dead
subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
print(_is_dead(sys.argv[1]))
"""

AGENT = """#!/bin/sh
read -r request
if mkdir "$0.once"; then printf '{"answer": {"pl'; else echo '{"answer": {}}'; read -r end; fi
"""


def owner(pid: object, host: str | None = None) -> str:
    return f"{host or socket.gethostname()}/alice.hil-{pid}"


@pytest.fixture
def ended() -> int:
    """The process of a run that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as run:
        run.wait()
    return run.pid


def test_only_a_run_of_this_pc_that_has_ended_is_dead(ended: int) -> None:
    assert _is_dead(owner(ended))
    for living in (owner(os.getpid()), owner(ended, "another"), f"{socket.gethostname()}/alice", owner("x"), owner(10**30, "b")):
        assert not _is_dead(living)


def test_a_run_of_another_user_lives_where_proc_hides_it(own_network: list[str]) -> None:
    command = [*own_network, "unshare", "-m", sys.executable, "-c", ASKED, owner(os.getpid())]
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=place, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "False\n"), done.stderr


def test_an_agent_that_is_killed_while_it_speaks_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tmp_path / "agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    monkeypatch.setenv("HIL_LABGRID_PYTHON", str(agent))
    testbed = load(Path(__file__).parents[2] / "testbeds" / "virtual.yaml")
    places = Places(testbed, Labgrid(coordinator="127.0.0.1:1"))
    places.acquire([])
    assert (tmp_path / "agent.once").is_dir()
    places.close()
