"""What every test of the framework may use."""

from __future__ import annotations

from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


LONGEST_TEST = 300
"""Seconds after which a test that names no limit of its own is ended; only a hang takes so long."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST_TEST))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of recorded third-party SCEP messages, kept outside this repository."""
    if not (VECTORS / "manifest.json").is_file():
        pytest.skip("the folder of recorded SCEP messages is not beside this checkout")
    return VECTORS
