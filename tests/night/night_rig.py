"""Runs of the suite as a user starts them: a process of its own, with state and reports of its own, always ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hil.evidence import read_events
from hil.judge.verdict import Verdict
from hil.report.record import Record

ROOT = Path(__file__).parents[2]
VIRTUAL = ROOT / "testbeds" / "virtual.yaml"
FIXED_PASSWORD = "Correct-Horse-7"  # what a scenario of the suite tells a phone
ONCE_MORE = "--bench-retries=1"
"""A host may set the clock of its virtual machine at any time, and what was then played has to be played again."""
SHORT, SHORT_DEFECTS = ("-k", "password_fixed or keylen_default", ONCE_MORE), ("password-truncated",)
POLL = 0.02
PATIENCE = 90.0
GONE_WITHIN = 10.0
LEFT_OUT = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "HIL_STATE", "XDG_STATE_HOME")

# A pytest plugin. Whatever would open a bench first starts a program or takes a port.
NO_BENCH = """
import os
import sys

def refuse(event, arguments):
    if event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "socket.bind"):
        os.write(2, f"refused: {event} {arguments}\\n".encode())
        os._exit(97)

sys.addaudithook(refuse)
"""


@dataclass(frozen=True)
class Ended:
    """A run that is over: exit code, all it said, the processes it left behind, and its folders."""

    code: int
    said: str
    left: tuple[str, ...]
    reports: Path
    state: Path

    @property
    def run(self) -> Path:
        """The folder of the run."""
        return (self.reports / "latest").resolve(strict=True)

    @property
    def record(self) -> Record:
        """What the run recorded."""
        return Record.load(self.run)

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """The verdict of each test by its id."""
        return {test.id: test.verdict for test in self.record.tests}

    @property
    def dark_ports(self) -> tuple[str, ...]:
        """The phones that the journal says are, or may be, without power."""
        (file,) = self.state.glob("*/power-journal.json")
        return tuple(entry["phone"] for entry in json.loads(file.read_text())["off"])


class Running:
    """A run under way."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path, folder: Path, output: Path) -> None:
        self.reports, self.state = folder / "reports", folder / "state"
        self._output = output
        with output.open("wb") as said:
            self._process = subprocess.Popen(
                command, env=environment, cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )

    @property
    def said(self) -> str:
        """Everything on standard output and error so far."""
        return self._output.read_text(errors="replace")

    def processes(self, name: str | None = None) -> list[int]:
        """Those of this run that live, or those called `name`: its own state folder stands in the environment of each."""
        mark = str(self.state).encode()
        return [pid for pid, called in _processes(mark) if name in (None, called)]

    def kill(self, name: str) -> None:
        """SIGKILL to the one process of this run that is called `name`."""
        (pid,) = self.processes(name)
        os.kill(pid, signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the run itself."""
        self._process.send_signal(number)

    def press_ctrl_c(self) -> None:
        """SIGINT to the whole group, as a terminal sends it."""
        os.killpg(self._process.pid, signal.SIGINT)

    def await_boot(self, kind: str, *said: str) -> None:
        """Return once a boot of `kind` has told each of the events `said`."""
        self.until(lambda: any(kind in kinds and names.issuperset(said) for kinds, names in self._boots()), f"{kind}: {said}")

    def await_output(self, text: str) -> None:
        """Return once the run has said `text`."""
        self.until(lambda: text in self.said, text)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for something that the run has to bring about."""
        deadline, pause = time.monotonic() + PATIENCE, threading.Event()
        while not holds():
            assert self._process.poll() is None, f"the run ended before {what}:\n{self.said}"
            assert time.monotonic() < deadline, f"no {what} within {PATIENCE:g} s:\n{self.said}"
            pause.wait(POLL)

    def end(self, within: float = PATIENCE) -> Ended:
        """Wait for the end of the run, and of all that it started."""
        try:
            code = self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.clear_away()
            raise AssertionError(f"the run did not end within {within:g} s:\n{self.said}") from None
        deadline, pause = time.monotonic() + GONE_WITHIN, threading.Event()
        while self.processes() and time.monotonic() < deadline:
            pause.wait(POLL)
        left = tuple(called for _, called in _processes(str(self.state).encode()))
        return Ended(code, self.said, left, self.reports, self.state)

    def clear_away(self) -> None:
        """Leave no process of this run behind, whatever became of it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(20)
        for pid in self.processes():
            _kill(pid)

    def _boots(self) -> Iterator[tuple[set[Any], set[Any]]]:
        """For each boot so far: what kinds its log names, and the names of its events."""
        for log in self.reports.glob("*Z/evidence/*/*/boot-*.events.jsonl"):
            events = read_events(log)
            details = [event["details"] for event in events]
            yield (
                {detail["kind"] for detail in details if isinstance(detail, dict) and "kind" in detail},
                {event["name"] for event in events},
            )


class Rig:
    """Starts runs below a folder and ends what it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._runs: list[Running] = []

    def begin(
        self,
        *words: str,
        testbed: Path | None = VIRTUAL,
        name: str = "run",
        what: Sequence[str] = ("suite",),
        within: Sequence[str] = (),
        cwd: Path = ROOT,
        plugin: str | None = None,
        python: str = sys.executable,
        **environment: str,
    ) -> Running:
        """Start a run of `what`; runs of one `name` share reports and state. `plugin` is the source of one more pytest plugin."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        from_a_terminal = ["/usr/bin/env", "--default-signal=INT"]  # what is started in the background ignores Ctrl-C otherwise
        command = [
            *from_a_terminal,
            *within,
            python,
            "-m",
            "pytest",
            *what,
            "-p",
            "no:cacheprovider",
            "-p",
            "no:hypothesispytest",
            "--report-dir",
            str(folder / "reports"),
        ]
        command += [] if testbed is None else ["--testbed", str(testbed)]
        path = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        if plugin is not None:
            (folder / "night_plugin.py").write_text(plugin)
            command += ["-p", "night_plugin"]
            path.insert(0, str(folder))
        inherited = {key: value for key, value in os.environ.items() if key not in LEFT_OUT}
        own = {"HIL_STATE": str(folder / "state"), "COLUMNS": "200"} | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})
        output = self.folder / f"output-{len(self._runs) + 1}"
        running = Running([*command, *words], {**inherited, **own, **environment}, cwd, folder, output)
        self._runs.append(running)
        return running

    def play(self, *words: str, seconds: float = PATIENCE, **how: Any) -> Ended:
        """A run from its start to its end."""
        return self.begin(*words, **how).end(seconds)

    def testbed(
        self,
        name: str = "short",
        *,
        times: Mapping[str, float] | None = None,
        power: Mapping[str, object] | None = None,
        mortal: bool = False,
        **virtual: object,
    ) -> Path:
        """A virtual bench with j179-1 alone, quick to boot; `virtual` is what its phone plays otherwise.

        `power` is how the switch is told, where it is not by SNMPv2c; a `mortal` switch is given up soon.
        """
        bench = yaml.safe_load(VIRTUAL.read_text())
        (phone,) = (phone for phone in bench["phones"] if phone["name"] == "j179-1")
        phone["virtual"] |= {"boot_delay": 5, **virtual}
        bench["phones"] = [phone]
        bench["times"] |= times or {}
        if power is None:
            bench["power"] |= {"timeout": 0.4, "retries": 4} if mortal else {}
        else:
            bench["power"] = dict(power)
            if power["kind"] != "snmp":
                phone["power"] = {"port": "Gi1/0/1"}
                del phone["switch_port"]
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(bench, sort_keys=False))
        return file

    def clear_away(self) -> None:
        """End every run that this rig started."""
        for running in self._runs:
            running.clear_away()


def _processes(mark: bytes) -> list[tuple[int, str]]:
    """Number and name of each process whose environment holds `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes():
                found.append((int(folder.name), (folder / "comm").read_text().strip()))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
