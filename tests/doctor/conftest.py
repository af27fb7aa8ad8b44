"""Benches that are broken in one way each, in processes of their own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for doctor_rig: test modules cannot import each other otherwise

from doctor_rig import PLACES, PROGRAMS, Ask, scenario


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name, path=PLACES) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Run a scenario of this folder; what it says of each way."""
    return lambda name, *within: scenario(tmp_path_factory.mktemp("doctor"), name, within)
