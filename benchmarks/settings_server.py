"""So many phones that start at once ask the bench for their files, and then real nginx for the same ones."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import LONGEST, Claim, Scale, cores, cpu_seconds, on_core
from benchmarks.phones import FILES
from benchmarks.servers import ROOT, Server, nginx, our_files
from hil.errors import LabFault

NEEDS = {"nginx": "nginx-light"}
TARGET = 1 / 3

_UPGRADE = "IF $MODEL4 SEQ J179 GOTO GETSET\r\n# GETSET\r\nGET 46xxsettings.txt\r\n"
_SETTINGS = "".join(f'SET PARAMETER_{number} "value of parameter {number}"\r\n' for number in range(400))


@dataclass(frozen=True)
class _Served:
    """A round at one server: requests in a second, the 99th of a hundred in ms, CPU ms of a request, MB of memory after it."""

    rate: float
    p99: float
    cpu: float
    memory: float


def measure(scale: Scale, folder: Path) -> Iterator[Claim]:
    """Each round has all phones start at once, first at ours, then at nginx; a request that fails fails the measurement."""
    files = folder / "files"
    files.mkdir()
    for name, text in zip(FILES, (_UPGRADE, _SETTINGS), strict=True):
        (files / name).write_text(text, newline="")
    server_core, phones_core = cores()
    ours, theirs = list[_Served](), list[_Served]()
    with (
        our_files(folder / "lab", files, scale.phones, server_core) as own,
        nginx(folder / "nginx", files, server_core) as peer,
    ):
        for server in (own, peer):
            _play(server, scale.phones, files, phones_core)  # which warms both
        for _ in range(scale.rounds):
            ours.append(_play(own, scale.phones, files, phones_core))
            theirs.append(_play(peer, scale.phones, files, phones_core))
    how = (
        f"{scale.phones:,} phones start at once, each with an address of its own, and ask for {FILES[0]} and then {FILES[1]} "
        f"({len(_SETTINGS):,} octets), a connection for each; every answer was whole. Both log each request, nginx in one file, "
        "ours in one for each phone and as events; each server alone on one core"
    )
    yield Claim("Settings, requests in a second", "1/s", "nginx", _each(ours, "rate"), _each(theirs, "rate"), TARGET, how)
    for what, unit, column, target in (
        ("Settings, CPU time of a request", "ms", "cpu", TARGET),
        ("Settings, 99th percentile", "ms", "p99", None),
        ("Settings, resident memory", "MB", "memory", None),
    ):
        yield Claim(what, unit, "nginx", _each(ours, column), _each(theirs, column), target, how, less_is_better=True)


def _each(rounds: Sequence[_Served], column: str) -> list[float]:
    return [getattr(served, column) for served in rounds]


def _play(server: Server, phones: int, files: Path, core: int) -> _Served:
    """A round of all phones; `LabFault` for the first error of any."""
    port = server.url.rpartition(":")[2]
    command = on_core(core, sys.executable, "-m", "benchmarks.phones", port, str(phones), "1", str(files))
    used = cpu_seconds(server.pid)
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=LONGEST).stdout
    used = cpu_seconds(server.pid) - used
    told = json.loads(said)
    spans = sorted(told["requests"])
    if told["errors"] or len(spans) != phones * len(FILES):
        raise LabFault("phones did not get their files", tried=server.url, seen=f"{told['errors']}, {len(spans)} whole")
    p99 = spans[math.ceil(0.99 * len(spans)) - 1]
    return _Served(len(spans) / told["seconds"], 1000 * p99, 1000 * used / len(spans), _resident(server.pid))


def _resident(pid: int) -> float:
    """Megabytes of memory that a process has now."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1000
