"""The tools of `by_hand` as a fixture."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for by_hand: test modules cannot import each other otherwise

import by_hand


@pytest.fixture(scope="session")
def workshop() -> SimpleNamespace:
    """Frames and captures made by hand."""
    return SimpleNamespace(**vars(by_hand))
