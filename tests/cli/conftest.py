from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.clock import ScaledClock
from hil.scep.authority import Authority
from hil.services.lab import Lab

sys.path.insert(0, str(Path(__file__).parent))  # for cli_rig: test modules cannot import each other otherwise

from cli_rig import Server, run


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("Lab CA", ScaledClock())


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[Server]:
    with Lab(clock=ScaledClock(), authority=authority, state=tmp_path / "lab") as lab:
        yield Server(lab, authority)


@pytest.fixture
def enrolled(server: Server, tmp_path: Path) -> Path:
    """A folder with a key and its certificate."""
    folder = tmp_path / "enrolled"
    options = ("--dn", "/C=US/O=Lab", "--challenge-env", "CHALLENGE", "--key-length", "1024")
    assert run("enroll", server.url, "--cn", "phone", *options, "--out", folder).exit_code == 0
    return folder
