"""What every test of the framework may use."""

from __future__ import annotations

from pathlib import Path

import pytest

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of recorded third-party SCEP messages, kept outside this repository."""
    if not (VECTORS / "manifest.json").is_file():
        pytest.skip("the folder of recorded SCEP messages is not beside this checkout")
    return VECTORS
