"""What every test of the framework may use."""

from __future__ import annotations

import os
import subprocess
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
def without_root() -> list[str]:
    """Command prefix that gives a network of its own in a user namespace, as a user without root gets one."""
    prefix = ["unshare", "-rn"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel, or the place these tests run in, allows no user namespaces")
    return prefix


@pytest.fixture(scope="session")
def own_network(request: pytest.FixtureRequest) -> list[str]:
    """Command prefix that gives a network of its own: root needs no user namespace for that."""
    if os.geteuid() == 0:
        return ["unshare", "-n"]
    prefix: list[str] = request.getfixturevalue("without_root")
    return prefix


@pytest.fixture(scope="session", params=["as root", "without root"])
def each_network(request: pytest.FixtureRequest) -> list[str]:
    """Both ways to a network of one's own."""
    if request.param == "as root" and os.geteuid() != 0:
        pytest.skip("not root")
    prefix: list[str] = request.getfixturevalue("own_network" if request.param == "as root" else "without_root")
    return prefix


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of recorded third-party SCEP messages, kept outside this repository."""
    if not (VECTORS / "manifest.json").is_file():
        pytest.skip("the folder of recorded SCEP messages is not beside this checkout")
    return VECTORS
