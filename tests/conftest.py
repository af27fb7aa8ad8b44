"""What every test of the framework may use."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from hil.services.doors import never_a_clients

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


LONGEST_TEST = 300
"""Seconds after which a test that names no limit of its own is ended; only a hang takes so long."""


AT_THE_END = "at the end: "
SHARES_A_NIGHT = "tests/night/"
"""The room whose tests look at one long night, and so belong in one process."""


class ByModule(LoadScopeScheduling):
    """Gives each process a module at a time, or the room that shares a night."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARES_A_NIGHT if nodeid.startswith(SHARES_A_NIGHT) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByModule:
    return ByModule(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--thorough", action="store_true", help="play what shows the same on more phones, too; it takes minutes more"
    )


def pytest_configure() -> None:
    """Let what tests start heed Ctrl-C, even where this run was started in the background and ignores it.

    Let examples of hypothesis take any time, too: a test whose matter is time says so itself.
    """
    settings.register_profile("house", deadline=None)
    settings.load_profile("house")
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms with the longest tests come first, so that no process ends long after the others."""
    longest: dict[Path, float] = {}
    for item in items:
        asked = item.get_closest_marker("timeout")
        limit = asked.args[0] if asked else LONGEST_TEST
        longest[item.path.parent] = max(limit, longest.get(item.path.parent, 0))
        if asked is None:
            item.add_marker(pytest.mark.timeout(LONGEST_TEST))
    items.sort(key=lambda item: longest[item.path.parent], reverse=True)


@pytest.fixture
def tell_at_the_end(record_property: Callable[[str, object], None]) -> Callable[[str, str], None]:
    """Called with a title and a text, shows them below the dots, from whichever process they come."""
    return lambda title, text: record_property(AT_THE_END + title, text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name.startswith(AT_THE_END):
                terminalreporter.section(name.removeprefix(AT_THE_END))
                terminalreporter.write_line(str(value))


@pytest.fixture
def own_port() -> int:
    """A TCP port that nobody is given who asks for any, so that a test may take it, leave it and take it again."""
    return random.choice(never_a_clients())


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
def virtual_ways() -> dict[str, dict[str, Any]]:
    """The `power` of a virtual bench for each way to switch it, by kind, as the manual tells users."""
    page = (Path(__file__).resolve().parents[1] / "docs" / "power.md").read_text()
    found = [yaml.safe_load(line)["power"] for line in re.findall(r"(?m)^    power: .*\b(?:192\.0\.2\.2|console)\b.*$", page)]
    return {power["kind"]: power for power in found}


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether as much as possible is played, and not only what shows each thing once."""
    return bool(pytestconfig.getoption("--thorough"))


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of recorded third-party SCEP messages, kept outside this repository."""
    if not (VECTORS / "manifest.json").is_file():
        pytest.skip("the folder of recorded SCEP messages is not beside this checkout")
    return VECTORS
