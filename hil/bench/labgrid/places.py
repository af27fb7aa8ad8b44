"""The places of labgrid that a run has, by way of an agent in the environment that has labgrid.

labgrid installs a fork of pyserial over pyserial, and brings gRPC; so nothing of it is imported here. The agent is one
process for a run: it keeps the session by which a lost place and a coordinator that starts anew are noticed at once,
which a command for each question could not.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hil.bench.labgrid import RESOURCE, Labgrid, place_of
from hil.bench.lease_book import process_exists
from hil.bench.power import PowerNotOurs
from hil.bench.state import user
from hil.bench.testbed import Phone, Testbed
from hil.errors import LabFault, Misuse

_AGENT = Path(__file__).with_name("agent.py")
_OWN_ENVIRONMENT = Path(__file__).parents[3] / ".venv-labgrid" / "bin" / "python"
_MARK = ".hil-"
_GRACE = 30.0
"""Real seconds beyond the coordinator's patience in which the agent has to answer."""
_LOOK = 1.0
"""Real seconds between two looks at a reservation."""


class PlaceTaken(LabFault):
    """The place of a phone cannot be had, or no place that was asked for."""


class CoordinatorAway(LabFault):
    """The coordinator does not answer, so nobody knows whose the phones are."""


class Places:
    """The places of a testbed's phones; `close` gives back what is held. Starts no thread, so it may precede any bench."""

    def __init__(self, testbed: Testbed, labgrid: Labgrid) -> None:
        self._testbed = testbed
        self._labgrid = labgrid
        self._agent: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()
        self._held: set[str] = set()
        self.name = f"{socket.gethostname()}/{user()}{_MARK}{os.getpid()}"

    def publish(self) -> list[str]:
        """Have labgrid know a place for each phone, with tags to reserve it by; returns their names."""
        testbed = self._testbed
        tags = {place_of(testbed.name, phone.name): tags_of(testbed, self._labgrid, phone) for phone in testbed.phones}
        self._ask("publish", places=tags, matches={place: f"*/{place}/{RESOURCE}" for place in tags})
        return list(tags)

    def reserve(self, model: str, pool: str, wait: float) -> str:
        """Have any free phone of that model and pool of this bench; waits in line for `wait` real seconds. Returns its name."""
        self._free_of_the_dead()
        wanted = {"bench": self._testbed.name, "model": model, "pool": pool}
        token = self._ask("reserve", wanted=wanted)
        deadline = time.monotonic() + wait
        try:
            while (found := self._ask("poll", token=token))["state"] == "waiting" and time.monotonic() < deadline:
                time.sleep(_LOOK)
            place = found["place"]
            if place is None:
                raise PlaceTaken(
                    f"no {model} of pool {pool} is free",
                    bench=self._testbed.name,
                    tried=f"reserve one by labgrid, and wait {wait:g} s",
                    seen=f"the reservation is {found['state']}",
                )
            self._acquire(place)
        finally:
            with suppress(LabFault):  # one that is away forgets it, or lets it expire
                self._ask("cancel", token=token)
        return next(phone.name for phone in self._testbed.phones if place_of(self._testbed.name, phone.name) == place)

    def acquire(self, phones: Iterable[str]) -> None:
        """Have the places of these phones, or none of them: `PlaceTaken` names who has one."""
        self._free_of_the_dead()
        before = set(self._held)
        try:
            for phone in phones:
                self._acquire(place_of(self._testbed.name, phone))
        except LabFault:
            self._release(self._held - before)
            raise

    def give_back(self, phones: Iterable[str]) -> None:
        """Have the places of these phones no longer."""
        self._release([place_of(self._testbed.name, phone) for phone in phones])

    def check(self, phone: str, port: str) -> None:
        """`PowerNotOurs` unless labgrid says at this moment that we have the phone."""
        try:
            self._ask("check", place=place_of(self._testbed.name, phone))
        except LabFault as fault:
            if isinstance(fault, PlaceTaken):
                self._held.discard(place_of(self._testbed.name, phone))  # an agent that follows is not to acquire it again
            raise PowerNotOurs(
                "labgrid does not say that the phone is ours to switch",
                bench=self._testbed.name,
                phone=phone,
                port=port,
                tried=f"ask the coordinator {self._labgrid.coordinator}",
                seen=fault.seen,
            ) from fault

    def close(self) -> None:
        """Give back all that is held; nothing happens if nothing was asked for."""
        agent, self._agent = self._agent, None
        self._held.clear()
        if agent is not None:
            _end(agent)

    def _acquire(self, place: str) -> None:
        self._ask("acquire", place=place)
        self._held.add(place)

    def _release(self, places: Iterable[str]) -> None:
        for place in places:
            self._held.discard(place)
            self._ask("release", place=place)

    def _free_of_the_dead(self) -> None:
        """Release the places of this bench that runs of this PC had when they, and their agents, were killed."""
        mine = {place_of(self._testbed.name, phone.name) for phone in self._testbed.phones}
        for place, owner in self._ask("owners").items():
            if place in mine and _is_dead(owner):
                self._ask("release", place=place, owner=owner)

    def _ask(self, what: str, **words: Any) -> Any:
        """The agent's answer; a fault where there is none, or where labgrid refuses."""
        deadline = time.monotonic() + self._labgrid.patience
        with self._turn:
            patience = max(1.0, deadline - time.monotonic())
            reply = self._told({"do": what, "patience": patience, **words}, patience + _GRACE)
        if "text" in reply:
            away = reply["kind"] == "away"
            kind, problem = (CoordinatorAway, "labgrid's coordinator is away") if away else (PlaceTaken, "labgrid refuses")
            tried = f"{what} {words.get('place', '')} at {self._labgrid.coordinator} as {self.name}"
            raise kind(problem, bench=self._testbed.name, tried=tried, seen=reply["text"])
        return reply["answer"]

    def _told(self, request: dict[str, Any], limit: float) -> dict[str, Any]:
        """What the agent says; one that was killed is started anew, with what it held."""
        for _ in range(2):
            agent = self._running()
            assert agent.stdin is not None
            assert agent.stdout is not None
            with suppress(BrokenPipeError):
                agent.stdin.write(json.dumps(request) + "\n")
                agent.stdin.flush()
            if not select.select([agent.stdout], [], [], limit)[0]:
                agent.kill()
            line = agent.stdout.readline()
            if line.endswith("\n"):  # or else it was killed while it spoke
                answer: dict[str, Any] = json.loads(line)
                return answer
            self._agent = None
            _end(agent)
        raise LabFault(
            "the agent that speaks with labgrid ends at once",
            bench=self._testbed.name,
            tried=str(request["do"]),
            seen=f"exit code {agent.returncode}",
        )

    def _running(self) -> subprocess.Popen[str]:
        if self._agent is not None and self._agent.poll() is not None:
            _end(self._agent)
            self._agent = None
        if self._agent is None:
            _require_labgrid()
            command = [_python(), "-P", str(_AGENT), self._labgrid.coordinator, self.name, *sorted(self._held)]
            self._agent = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "GRPC_VERBOSITY": "NONE"},  # what it sees is told in its answers
                start_new_session=True,  # Ctrl-C is for this process, which still wants to restore power
            )
        return self._agent


def tags_of(testbed: Testbed, labgrid: Labgrid, phone: Phone) -> dict[str, str]:
    """What a phone is reserved by."""
    return {"bench": testbed.name, "phone": phone.name, "model": phone.model, "pool": labgrid.pool_of(phone.name)}


def _end(agent: subprocess.Popen[str]) -> None:
    """Let the agent end by itself, which gives back what it has; kill it if it does not. One that has ended is cleared away."""
    assert agent.stdin is not None
    assert agent.stdout is not None
    with agent.stdout, suppress(BrokenPipeError):
        agent.stdin.close()
    try:
        agent.wait(_GRACE)
    except subprocess.TimeoutExpired:
        agent.kill()
        agent.wait()


def _is_dead(owner: str) -> bool:
    """Whether an owner is a run of this PC that has ended."""
    host, _, name = owner.partition("/")
    _, mark, pid = name.rpartition(_MARK)
    return bool(mark) and host == socket.gethostname() and pid.isdecimal() and not process_exists(int(pid))


def _python() -> str:
    """The Python that has labgrid, or should."""
    own = str(_OWN_ENVIRONMENT) if _OWN_ENVIRONMENT.exists() else sys.executable
    return os.environ.get("HIL_LABGRID_PYTHON") or own


def _require_labgrid() -> None:
    """`Misuse` where labgrid is not to be had."""
    python = _python()
    look = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, ('labgrid', 'grpc'))))"
    try:
        lacking = subprocess.run([python, "-P", "-c", look], capture_output=True, check=False).returncode != 0
    except OSError:
        lacking = True
    if lacking:
        remedy = "./bench labgrid makes one, or name another by HIL_LABGRID_PYTHON"
        raise Misuse(f"{python} has no labgrid", key="labgrid", remedy=remedy)
