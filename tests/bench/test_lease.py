"""One holder of a bench at a time, over processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hil.bench.lease import Lease
from hil.errors import LabFault

HOLDER = """
import sys
from pathlib import Path
from hil.bench.lease import Lease
lease = Lease(Path(sys.argv[1]), "lab")
lease.take()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_second_is_told_who_is_the_first_and_gets_the_bench_when_that_one_dies(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "lab")
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LabFault, match=rf"the bench is in use .*held by \S+, pid {holder.pid}, since 20"):
            lease.take()
        holder.send_signal(signal.SIGKILL)
    lease.take()
    assert f'"pid": {os.getpid()}' in (tmp_path / "lease").read_text()
    lease.release()


def test_a_bench_given_back_can_be_taken_again(tmp_path: Path) -> None:
    first, second = Lease(tmp_path, "lab"), Lease(tmp_path, "lab")
    first.take()
    with pytest.raises(LabFault, match="in use"):
        second.take()
    first.release()
    first.release()
    second.take()
    second.release()
