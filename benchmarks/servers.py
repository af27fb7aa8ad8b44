"""The servers that are compared, each new, in a process of its own, on one core."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.enrolments import CHALLENGE
from benchmarks.lab import CHALLENGE_VARIABLE
from benchmarks.measure import on_core
from hil.errors import LabFault

PORT = "2016"
_ROOT = Path(__file__).resolve().parents[1]
_PATIENCE = 10


class Server(NamedTuple):
    """A running server."""

    url: str
    pid: int


@contextmanager
def our_lab(folder: Path, core: int) -> Iterator[Server]:
    """The servers of a bench."""
    command = on_core(core, sys.executable, "-m", "benchmarks.lab", str(folder))
    environment = {**os.environ, CHALLENGE_VARIABLE: CHALLENGE}
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    with process, _ended(process):
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise LabFault("the bench's servers do not start", tried=" ".join(command))
        yield Server(url, process.pid)
        process.stdin.close()
        process.wait(_PATIENCE)


@contextmanager
def scepserver(folder: Path, core: int) -> Iterator[Server]:
    """Debian's scepserver (package scep), which listens on every interface: for a network of its own alone."""
    folder.mkdir()
    made = ["scepserver", "ca", "-init", "-organization", "Lab", "-keySize", "2048"]
    subprocess.run(made, cwd=folder, check=True, capture_output=True)
    command = on_core(core, "scepserver", "-depot", "depot", "-port", PORT, f"-challenge={CHALLENGE}", "-allowrenew", "0")
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    with process, _ended(process):
        assert process.stderr is not None
        if not any("listening" in line for line in process.stderr):
            raise LabFault("scepserver does not start", tried=" ".join(command[3:5]))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # so that its log never blocks it
        yield Server(f"http://127.0.0.1:{PORT}/scep", process.pid)
        process.terminate()
        process.wait(_PATIENCE)


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Let the process not outlive the block, whatever happens in it."""
    try:
        yield
    finally:
        process.kill()
