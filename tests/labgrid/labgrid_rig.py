"""A real labgrid on loopback: coordinator, exporter and command line, from the environment that has it."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from hil.bench.labgrid.export import exporter_file
from hil.bench.labgrid.places import Places
from hil.bench.testbed import Testbed, load
from hil.services.doors import never_a_clients

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / ".venv-labgrid" / "bin"
PATIENCE = 60.0


def until(holds: Callable[[], Any], what: str) -> Any:
    """What `holds` returns once that is something; waits within a bound."""
    deadline = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < deadline, f"never: {what}"
        threading.Event().wait(0.02)
    return found


class Labgrid:
    """A coordinator, and the exporters that it knows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = random.choice(never_a_clients())  # it comes back to it
        self._starts = 0
        self._coordinator: subprocess.Popen[bytes] | None = None
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the coordinator, at its port."""
        log = self.folder / "coordinator.log"
        self._coordinator = self._begin(log, "labgrid-coordinator", "-l", self.address)
        listens = re.compile(r"^listening on \S+:(\d+)$", re.MULTILINE)
        until(lambda: listens.findall(log.read_text())[self._starts :], "a coordinator that listens")
        self._starts += 1

    def kill(self) -> None:
        """End the coordinator as a power failure does."""
        assert self._coordinator is not None
        self._coordinator.kill()
        self._coordinator.wait()

    def export(self, testbed: Testbed) -> None:
        """Start an exporter of the testbed's phones."""
        assert testbed.labgrid is not None
        file = self.folder / f"{testbed.name}-exporter.yaml"
        file.write_text(exporter_file(testbed, testbed.labgrid))
        log = self.folder / f"{testbed.name}-exporter.log"
        self._others.append(self._begin(log, "labgrid-exporter", "-c", self.address, "-n", testbed.name, str(file)))
        until(lambda: "Exporter ready" in log.read_text(), "an exporter")

    def client(self, *words: str, user: str = "somebody") -> str:
        """What `labgrid-client` says."""
        environment = {**os.environ, "LG_USERNAME": user, "LG_HOSTNAME": "elsewhere"}
        command = [PROGRAMS / "labgrid-client", "-x", self.address, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    def owners(self) -> dict[str, str]:
        """Who has each place that anybody has, as labgrid's own client shows it."""
        rows = [line.split() for line in self.client("who").splitlines()[1:]]
        return {place: f"{host}/{user}" for user, host, place, *_ in rows}

    def close(self) -> None:
        for process in (*self._others, *([self._coordinator] if self._coordinator else [])):
            process.kill()
            process.wait()

    def _begin(self, log: Path, program: str, *words: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with log.open("ab") as output:
            return subprocess.Popen([PROGRAMS / program, *words], cwd=self.folder, env=environment, stdout=output, stderr=output)


def bench_of(labgrid: Labgrid, name: str, count: int, **section: Any) -> Testbed:
    """A testbed of many phones, J179 and J189 by turns, the first half of them in the pool `night`."""
    phones = [f"p{number}" for number in range(count)]
    described = {
        "name": name,
        "kind": "real",
        "network": {"interface": "lo", "address": "127.0.0.1", "prefix": 16, "dhcp": False},
        "power": {"kind": "manual"},
        "labgrid": {
            "coordinator": labgrid.address,
            "pool": "day",
            "pools": dict.fromkeys(phones[: count // 2], "night"),
            **section,
        },
        "phones": [
            {
                "name": phone,
                "model": ("J179", "J189")[number % 2],
                "mac": f"c8:1f:ea:00:{number >> 8:02x}:{number & 255:02x}",
                "serial": f"19WZ{number:08}",
                "address": f"127.0.1.{number + 1}",
                "reference": f"127.77.{number + 1}.1",
                "power": {"where": f"desk {number}"},
            }
            for number, phone in enumerate(phones)
        ],
    }
    file = labgrid.folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(described))
    return load(file)


def places_for(testbed: Testbed, user: str | None = None) -> Places:
    """The places of one user of a testbed."""
    assert testbed.labgrid is not None
    places = Places(testbed, testbed.labgrid)
    places.name = places.name if user is None else f"elsewhere/{user}"
    return places


def seen_by(places: Places) -> dict[str, str]:
    """Who has each place that anybody has, as the session of one user shows it: quicker than labgrid's own client."""
    return {place: owner for place, owner in places._ask("owners").items() if owner}


def in_processes(script: str, *arguments: Sequence[str]) -> list[subprocess.Popen[str]]:
    """A process for each list of arguments."""
    command = [sys.executable, "-c", script]
    return [subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for words in arguments]
