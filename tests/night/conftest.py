"""Whole runs of the suite on the virtual bench, each in a process of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for night_rig: test modules cannot import each other otherwise
sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))  # for tap_rig
sys.path.insert(0, str(Path(__file__).parents[1] / "interop"))  # for interop_seats

from night_rig import ONCE_MORE, SHORT, SHORT_DEFECTS, Ended, Rig, Running

PROGRAMS = ("ip", "unshare", "setpriv", "snmpd", "dnsmasq", "dumpcap", "tshark")


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Starts runs of one test."""
    made = Rig(tmp_path)
    yield made
    made.clear_away()


@pytest.fixture(scope="session", autouse=True)
def _night_under_way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running | None]:
    """The whole night, begun at once where a selected test wants it: it mostly waits, and others use the time."""
    if not any("whole_night" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    made = Rig(tmp_path_factory.mktemp("night"))
    yield made.begin("-v", ONCE_MORE)
    made.clear_away()


@pytest.fixture(scope="session")
def whole_night(_night_under_way: Running | None) -> Ended:
    """The whole suite, played once on all three phones."""
    assert _night_under_way is not None
    return _night_under_way.end(within=800)


@pytest.fixture(scope="session")
def short_night(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Two tests on a phone that cuts a fixed password short, and does well otherwise."""
    made = Rig(tmp_path_factory.mktemp("short"))
    ended = made.play(*SHORT, testbed=made.testbed(defects=SHORT_DEFECTS))
    made.clear_away()
    assert ended.code == 1, ended.said
    return ended
