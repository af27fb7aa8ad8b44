"""What the tests of labgrid share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the modules that tests share, which cannot import each other otherwise

from labgrid_rig import PROGRAMS, Labgrid


@pytest.fixture(scope="session")
def labgrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labgrid]:
    """A coordinator that knows nothing yet."""
    if not (PROGRAMS / "labgrid-coordinator").exists():
        pytest.skip("labgrid is not installed: ./bench labgrid")
    labgrid = Labgrid(tmp_path_factory.mktemp("labgrid"))
    labgrid.start()
    yield labgrid
    labgrid.close()
