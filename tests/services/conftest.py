from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for proxied: test modules cannot import each other otherwise

from hil.clock import ScaledClock
from hil.scep.ca import Authority
from hil.services.lab import Lab


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("Lab CA", ScaledClock())


@pytest.fixture
def lab(authority: Authority, tmp_path: Path) -> Iterator[Lab]:
    """A lab on loopback with every server, on free ports, in phone time that runs 30 times as fast."""
    with Lab(
        clock=ScaledClock(rate=30.0),
        authority=authority,
        state=tmp_path / "lab",
        http_port=0,
        sntp_port=0,
        syslog_port=0,
    ) as lab:
        yield lab
