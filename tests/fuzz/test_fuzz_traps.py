"""Hostile inputs of megabytes: each is read within the processor time and memory that the kernel grants."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from traps import TRAPS

LIMITED = Path(__file__).with_name("limited.py")


@pytest.fixture(scope="module")
def read_limited() -> Iterator[Callable[[str, bytes], int]]:
    """Reads an input of a kind in a process under limits; gives its exit code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    readers: dict[str, subprocess.Popen[bytes]] = {}
    with ExitStack() as stack:

        def read(kind: str, data: bytes) -> int:
            if kind not in readers:
                command = [sys.executable, str(LIMITED), kind]
                process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                readers[kind] = stack.enter_context(process)
            reader = readers[kind]
            assert reader.stdin is not None
            assert reader.stdout is not None
            reader.stdin.write(len(data).to_bytes(8, "big") + data)
            reader.stdin.flush()
            return int(reader.stdout.readline())

        yield read


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_takes_no_more_than_it_may(read_limited: Callable[[str, bytes], int], name: str) -> None:
    trap = TRAPS[name]
    assert read_limited(trap.kind, trap.make()) == 0


@pytest.mark.parametrize(("kind", "code"), [("spins", -24), ("hoards", 2), ("raises", 3)])
def test_the_limits_bite(read_limited: Callable[[str, bytes], int], kind: str, code: int) -> None:
    assert read_limited(kind, b"") == code
