"""Recordings of real traffic, run by the tests in a network namespace of their own; each prints what it saw as JSON.

unshare -rn python namespace_recordings.py NAME TOOL FILE
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.capture.recorder import CaptureSummary, Recorder, Source
from hil.capture.transcript import read_capture
from hil.errors import LabFault

PAIR = "ip link add left type veth peer name right && ip link set left up && ip link set right up"


def shell(command: str) -> None:
    subprocess.run(command, shell=True, check=True, timeout=20)


def fetch(port: int) -> None:
    """One HTTP request and reply between two sockets on loopback."""
    with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port), 10) as client:
        side, _ = server.accept()
        with side:
            client.sendall(b"GET /46xxsettings.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            side.recv(1_000)
            side.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
            client.recv(1_000)


def told(summary: CaptureSummary) -> dict[str, Any]:
    return {**asdict(summary), "file": str(summary.file)}


def traffic(tool: Any, file: Path) -> dict[str, Any]:
    """What passes between start and stop is in the capture; what the filter leaves out is not, markers are in no transcript."""
    shell("ip link set lo up")
    recorder = Recorder([Source("lo", "tcp port 8080")], file, tool)
    recorder.start()
    alive = recorder.alive
    fetch(8080)
    fetch(8081)
    summary = recorder.stop()
    transcript = read_capture(file)
    paths = [(entry.server, entry.path, entry.status) for entry in transcript.fetches]
    return {"alive": [alive, recorder.alive], "summary": told(summary), "fetches": paths, "problems": transcript.problems}


def clock_set(tool: Any, file: Path) -> dict[str, Any]:
    """The PC's clock is set while it records."""
    shell("ip link set lo up")
    by = [0.0]
    recorder = Recorder([Source("lo")], file, tool, wall=lambda: time.time() + by[0])
    recorder.start()
    by[0] = 3.0
    return {"summary": told(recorder.stop())}


def several(tool: Any, file: Path) -> dict[str, Any]:
    """Both ends of one cable and loopback by a datagram: each source is proven by its own marker."""
    shell(f"ip link set lo up && {PAIR}")
    recorder = Recorder([Source("left", "tcp"), Source("right"), Source("lo", "tcp", marker_address="127.0.0.9")], file, tool)
    recorder.start()
    return {"summary": told(recorder.stop())}


def killed(tool: Any, file: Path) -> dict[str, Any]:
    """The tool dies in mid-recording."""
    shell("ip link set lo up")
    recorder = Recorder([Source("lo", "tcp")], file, tool)
    recorder.start()
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, recorder.pid, os.WEXITED | os.WNOWAIT)
    return {"alive": recorder.alive, "summary": told(recorder.stop())}


def silenced(tool: Any, file: Path) -> dict[str, Any]:
    """The interface goes away in mid-recording, so that the last marker cannot be proven."""
    shell(f"ip link set lo up && {PAIR}")
    recorder = Recorder([Source("left", "tcp")], file, tool, patience=2)
    recorder.start()
    shell("ip link set left down")
    return {"summary": told(recorder.stop())}


def fault(recorder: Recorder) -> dict[str, Any]:
    try:
        recorder.start()
    except LabFault as error:
        return {"fault": str(error), "alive": recorder.alive}
    return {"fault": None}


def unheard(tool: Any, file: Path) -> dict[str, Any]:
    """The marker takes another way than the interface that is recorded."""
    shell(f"ip link set lo up && {PAIR} && ip route add 10.9.9.0/24 dev left src 127.0.0.1")
    return fault(Recorder([Source("right", "tcp", marker_address="127.0.0.1")], file, tool, patience=0.5))


def down(tool: Any, file: Path) -> dict[str, Any]:
    """The interface is down."""
    return fault(Recorder([Source("lo", "tcp")], file, tool, patience=0.5))


def absent(tool: Any, file: Path) -> dict[str, Any]:
    """There is no such interface."""
    return fault(Recorder([Source("eth99", "tcp")], file, tool, patience=5))


def flooded(tool: Any, file: Path) -> dict[str, Any]:
    """The tool is stopped while more arrives than its buffer holds; afterwards it counts what it lost."""
    shell("ip link set lo up")
    recorder = Recorder([Source("lo", "udp port 9999")], file, tool, patience=60)
    recorder.start()
    assert recorder.pid is not None
    os.kill(recorder.pid, signal.SIGSTOP)
    datagram = bytes(60_000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(3_000):
            sender.sendto(datagram, ("127.0.0.1", 9999))
    os.kill(recorder.pid, signal.SIGCONT)
    return {"summary": told(recorder.stop())}


if __name__ == "__main__":
    name, tool, file = sys.argv[1:]
    recordings = {one.__name__: one for one in (traffic, clock_set, several, killed, silenced, unheard, down, absent, flooded)}
    print(json.dumps(recordings[name](tool, Path(file))))  # noqa: T201  # its answer to the test that runs it
