"""An install that is killed while its phone writes, on a bench of kind `real` whose switch and phones are virtual ones.

Run as root of a network namespace with a folder in which `virtual.yaml`, `real.yaml` and an image lie; prints what was seen
as JSON. The phones belong to this process, so they outlive every `hil` that it starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from hil.bench.testbed import load
from hil.campaign.waiting import leap_over_idle
from hil.virtual.bench import VirtualBench

PHONE = "j179-1"
PATIENCE = 90.0


class Hil:
    """The command `hil` on the bench of `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "hil.cli", *words, "--testbed", str(self._folder / "real.yaml")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        ended = threading.Timer(PATIENCE, process.kill)
        ended.start()
        said, _ = process.communicate()
        ended.cancel()
        return process.returncode, said


def killed_when_it_says(process: subprocess.Popen[str], text: str) -> list[str]:
    """SIGKILL to a process once it has said `text`; all it said."""
    said: list[str] = []
    ended = threading.Timer(PATIENCE, process.kill)
    ended.start()
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            if text in line:
                break
        process.kill()
    ended.cancel()
    return said


def until_gone(file: Path) -> None:
    deadline, pause = time.monotonic() + PATIENCE, threading.Event()
    while file.exists():
        assert time.monotonic() < deadline
        pause.wait(0.05)


def play(folder: Path) -> dict[str, object]:
    hil, image = Hil(folder), str(next(folder.glob("*.bin")))
    install = ("firmware", "install", image, "--phone", PHONE, "--limit", "60")
    with VirtualBench(load(folder / "virtual.yaml")) as bench:
        word = folder / "word"
        word.touch(0o600)
        word.write_bytes((bench.state / "community").read_bytes())
        writing = bench.flash(PHONE) / "writing"
        killed = killed_when_it_says(hil.start(*install), "is fetched")
        process = bench.pids()[PHONE]
        seen = {
            "off": hil.run("power", "off", PHONE),
            "cycle": hil.run("power", "cycle", PHONE),
            "recover": hil.run("recover"),
            "status": hil.run("firmware", "status"),
        }
        still_writing = writing.exists()
        clock = bench.clock_of(PHONE)
        leap_over_idle(clock, clock.now() + timedelta(seconds=600))
        until_gone(writing)
        never_without_power = bench.pids()[PHONE] == process
        again = hil.run(*install)
        return {
            "killed": killed,
            **seen,
            "still_writing": still_writing,
            "never_without_power": never_without_power,
            "again": again,
            "afterwards": hil.run("power", "off", PHONE),
        }


if __name__ == "__main__":
    json.dump(play(Path(sys.argv[1])), sys.stdout)
