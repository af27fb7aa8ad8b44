"""Runs scenarios of broken benches, each in a process of its own, and shows what they told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("ip", "unshare", "setpriv", "bridge", "snmpd", "dnsmasq", "dumpcap", "tshark", "ss", "mount")
PLACES = os.environ["PATH"] + ":/usr/sbin:/sbin"

Told = dict[str, Any]
Ask = Callable[..., Told]


def scenario(folder: Path, name: str, within: Sequence[str]) -> Told:
    """What the scenario in the file of that name says of each way; `within` is put before its command."""
    own = {"HIL_STATE": str(folder / "state"), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'campaign'}", "PATH": PLACES}
    command = [*within, sys.executable, "-W", "error", str(Path(__file__).with_name(name)), str(folder)]
    done = subprocess.run(command, env={**os.environ, **own}, cwd=folder, stdout=subprocess.PIPE, text=True, timeout=240)
    assert done.returncode == 0
    told: Told = json.loads(done.stdout.splitlines()[-1])
    return told


def shown(ways: Iterable[tuple[str, Told]]) -> str:
    """A row for each way: what is broken, which check names it, and by which words."""
    return "\n".join(f"{way:<38}  {told['check']:<10}  {told['seen'][:150]}" for way, told in ways)
