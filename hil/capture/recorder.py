"""Recording one or more interfaces into a pcapng file, proven from its first packet to its last.

`start` returns once a marker of every source is in the file, `stop` puts another behind everything else and
reads how many packets were dropped. Whatever is not proven makes the summary incomplete; it is never assumed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from hil.capture.files import Interface, open_capture
from hil.capture.marker import Marker, Source
from hil.capture.proof import Proof, prove
from hil.errors import LabFault

__all__ = ["CaptureSummary", "Recorder", "Recording", "Source", "SourceCount"]

Tool = Literal["dumpcap", "scapy"]
BUFFER_MIB: Final = 32
MAX_STDERR: Final = 2_000
MOST_SET: Final = 0.5
"""Seconds by which this PC's clock may move against the monotonic one: a busy PC lets some pass between reading the two."""


@dataclass(frozen=True)
class SourceCount:
    """Packets that a source received and dropped; None where the tool did not live to say."""

    interface: str
    packets: int | None
    drops: int | None


@dataclass(frozen=True)
class CaptureSummary:
    """What a recording came to; `complete` says that nothing is known or suspected to be missing."""

    file: Path
    tool: str
    packets: int
    sources: tuple[SourceCount, ...]
    complete: bool
    problems: tuple[str, ...]


class Recording(Protocol):
    """What records one boot into one file, wherever it hears."""

    def start(self) -> None:
        """Start; returns once every source is proven to be recorded, else `LabFault`, and nothing goes on."""

    def stop(self) -> CaptureSummary:
        """End, and say what the recording is worth; `LabFault` if it was never started."""


class Recorder:
    """One recording of one or more sources into one file.

    `tool` is dumpcap where it is installed, else scapy. `patience` is how many real seconds a marker or the
    tool's end may take; after `longest` real seconds the tool ends by itself, so that an orphan does not record for ever.
    `wall` is this PC's clock, which gives packets their times (seconds since 1970).
    """

    def __init__(
        self,
        sources: Sequence[Source],
        file: Path,
        tool: Tool | None = None,
        *,
        patience: float = 15.0,
        longest: float = 24 * 3600.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.file = file
        self.tool: Tool = tool or ("dumpcap" if shutil.which("dumpcap") else "scapy")
        self._markers = tuple(Marker(source) for source in sources)
        self._patience = patience
        self._longest = longest
        self._wall = wall
        self._ahead = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether the tool runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The tool's process, once started."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Starts recording; returns when every source is proven to be recorded, else LabFault."""
        try:
            with self.file.open("wb") as output:
                self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE)
        except OSError as error:
            raise LabFault("the recorder cannot be started", tried=f"{self.tool} into {self.file}", seen=str(error)) from error
        self._ahead = self._wall() - time.monotonic()
        proof = prove(self._markers, self.file, lambda: self.alive, self._patience)
        if proof.missing:
            said = self._end()
            seen = proof.why or said or "no marker in the file"
            names = ", ".join(marker.source.interface for marker in proof.missing)
            raise LabFault(f"nothing proves that {names} is recorded", tried=f"markers for {self._patience:g} s", seen=seen)

    def stop(self) -> CaptureSummary:
        """Ends the recording and says what it is worth; LabFault if it was never started."""
        if self._process is None:
            raise LabFault("a recorder was stopped that had not been started", tried=f"{self.tool} into {self.file}")
        problems = []
        if self.alive:
            problems += unproven(prove(self._markers, self.file, lambda: self.alive, self._patience))
        if not self.alive:
            problems.append(f"{self.tool} ended before it was told to ({_ending(self._process.returncode)})")
        stderr = self._end()
        if self._process.returncode and not problems:
            problems.append(f"{self.tool} failed ({_ending(self._process.returncode)}): {stderr}")
        gained = self._wall() - time.monotonic() - self._ahead
        if abs(gained) > MOST_SET:
            problems.append(f"the clock of this PC was set by {gained:+.1f} s while it recorded")
        return self._summary(problems)

    def _command(self) -> list[str]:
        seconds = str(int(self._longest))
        if self.tool == "scapy":
            pairs = [text for marker in self._markers for text in (marker.source.interface, marker.capture_filter)]
            return [sys.executable, "-m", "hil.capture.sniffer", seconds, *pairs]
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "--",
            "dumpcap",
            "-q",
            "-n",
            "-a",
            f"duration:{seconds}",
            "-w",
            "-",
        ]  # to our file: dumpcap gives up root's rights
        for marker in self._markers:
            command += ["-i", marker.source.interface, "-B", str(BUFFER_MIB)]
            command += ["-f", marker.capture_filter] if marker.capture_filter else []
        return command

    def _end(self) -> str:
        """Stops the tool, by force after a while; what it said on its standard error."""
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(self._patience)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stderr is None or process.stderr.closed:
            return ""
        with process.stderr as said:
            lines = said.read(MAX_STDERR).decode("utf-8", "replace").splitlines()
        return " ".join(line.strip() for line in lines if line.strip() and not line.startswith(("Capturing on", "File:")))

    def _summary(self, problems: list[str]) -> CaptureSummary:
        return summary_of(self.file, self.tool, [marker.source for marker in self._markers], problems)


def unproven(proof: Proof) -> list[str]:
    """What to say of markers that did not come at the end."""
    reason = f": {proof.why}" if proof.why else ""
    return [f"the last marker of {marker.source.interface} is not in the capture{reason}" for marker in proof.missing]


def summary_of(file: Path, tool: str, sources: Sequence[Source], problems: Sequence[str]) -> CaptureSummary:
    """What a recording in `file` came to, beside the `problems` that are known already."""
    capture, problems = open_capture(file), list(problems)
    packets = sum(1 for _ in capture.packets())
    problems += capture.problems
    counts = tuple(_counts(sources, capture.interfaces))
    for count in counts:
        if count.drops is None:
            problems.append(f"what was dropped of {count.interface} is not known")
        elif count.drops:
            problems.append(f"{count.drops} packets of {count.interface} were dropped")
    return CaptureSummary(file, tool, packets, counts, not problems, tuple(dict.fromkeys(problems)))


def _counts(sources: Sequence[Source], interfaces: Sequence[Interface]) -> Iterable[SourceCount]:
    for index, source in enumerate(sources):
        found = interfaces[index] if index < len(interfaces) else None
        received, dropped = (None, None) if found is None else (found.received, found.dropped)
        yield SourceCount(source.interface, received, dropped)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
