"""Recording one or more interfaces into a pcapng file, proven from its first packet to its last.

`start` returns once a marker of every source is in the file, `stop` puts another behind everything else and
reads how many packets were dropped. Whatever is not proven makes the summary incomplete; it is never assumed.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hil.capture.files import Interface, open_capture
from hil.capture.marker import Marker, Source
from hil.errors import LabFault

__all__ = ["CaptureSummary", "Recorder", "Source", "SourceCount"]

Tool = Literal["dumpcap", "scapy"]
BUFFER_MIB: Final = 32
POLL: Final = 0.02
RESEND: Final = 10  # polls between two markers of a source
MAX_STDERR: Final = 2_000


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


class Recorder:
    """One recording of one or more sources into one file.

    `tool` is dumpcap where it is installed, else scapy. `patience` is how many real seconds a marker or the
    tool's end may take; after `longest` real seconds the tool ends by itself, so that an orphan does not record for ever.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        file: Path,
        tool: Tool | None = None,
        *,
        patience: float = 15.0,
        longest: float = 24 * 3600.0,
    ) -> None:
        self.file = file
        self.tool: Tool = tool or ("dumpcap" if shutil.which("dumpcap") else "scapy")
        self._markers = tuple(Marker(source) for source in sources)
        self._patience = patience
        self._longest = longest
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
        missing, why = self._prove()
        if missing:
            said = self._end()
            seen = why or said or "no marker in the file"
            names = ", ".join(marker.source.interface for marker in missing)
            raise LabFault(f"nothing proves that {names} is recorded", tried=f"markers for {self._patience:g} s", seen=seen)

    def stop(self) -> CaptureSummary:
        """Ends the recording and says what it is worth; LabFault if it was never started."""
        if self._process is None:
            raise LabFault("a recorder was stopped that had not been started", tried=f"{self.tool} into {self.file}")
        problems = []
        if self.alive:
            missing, why = self._prove()
            reason = f": {why}" if why else ""
            problems += [f"the last marker of {marker.source.interface} is not in the capture{reason}" for marker in missing]
        if not self.alive:
            problems.append(f"{self.tool} ended before it was told to ({_ending(self._process.returncode)})")
        stderr = self._end()
        if self._process.returncode and not problems:
            problems.append(f"{self.tool} failed ({_ending(self._process.returncode)}): {stderr}")
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

    def _prove(self) -> tuple[tuple[Marker, ...], str]:
        """Sends markers until each is in the file; those that are not within the time, and what kept them."""
        nonce = secrets.token_bytes(12)
        wanted: dict[bytes, Marker] = {}
        pause, deadline, why, polls = threading.Event(), time.monotonic() + self._patience, "", 0
        pending = set(self._markers)
        with self.file.open("rb") as written:
            written.seek(0, 2)
            tail = b""
            while pending and self.alive and time.monotonic() < deadline:
                if polls % RESEND == 0:
                    try:
                        wanted |= {marker.send(nonce): marker for marker in pending}
                    except OSError as error:
                        why = f"the marker cannot be sent: {error.strerror or error}"
                polls += 1
                pause.wait(POLL)
                tail = tail[-256:] + written.read()
                pending -= {marker for body, marker in wanted.items() if body in tail}
        return tuple(marker for marker in self._markers if marker in pending), why

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
        capture = open_capture(self.file)
        packets = sum(1 for _ in capture.packets())
        problems += capture.problems
        counts = tuple(_counts(self._markers, capture.interfaces))
        for count in counts:
            if count.drops is None:
                problems.append(f"what was dropped of {count.interface} is not known")
            elif count.drops:
                problems.append(f"{count.drops} packets of {count.interface} were dropped")
        return CaptureSummary(self.file, self.tool, packets, counts, not problems, tuple(problems))


def _counts(markers: Sequence[Marker], interfaces: Sequence[Interface]) -> Iterable[SourceCount]:
    for index, marker in enumerate(markers):
        found = interfaces[index] if index < len(interfaces) else None
        received, dropped = (None, None) if found is None else (found.received, found.dropped)
        yield SourceCount(marker.source.interface, received, dropped)


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
