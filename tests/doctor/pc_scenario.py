"""A PC in a namespace of its own, broken in one way after another, and what the check says that is about it.

    python pc_scenario.py FOLDER

needs networks, mounts and a user namespace of its own; prints for each way the answer, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

from addressing_scenario import BENCH, PATIENCE, ip, lab, own_server, testbed

from hil.capture import recorder
from hil.capture.recorder import Recorder
from hil.clock import ManualClock, ScaledClock
from hil.doctor import pc, wire
from hil.doctor.checks import CHECKS
from hil.doctor.examining import examine
from hil.doctor.visit import Patience, Visit
from hil.scep.authority import Authority
from hil.services.lab import Lab

FOLDER = Path(sys.argv[1])
STATE = FOLDER / "state" / "lab"
NAMED = {check.name: check for check in CHECKS}
HOLDER = "import socket; s = socket.create_server(('10.9.0.1', 8080)); print('held', flush=True); input()"


def answer(name: str, visit: Visit) -> dict[str, object]:
    """What one check says, as if those that it needs had said that all is well."""
    if name != "testbed":
        visit.read()
    check = NAMED[name]
    (said,) = examine([type(check)(check.name, check.asks, (), check.ask, check.remedy)], visit)
    return asdict(said)


def visited(file: Path, time_server: str | None = None) -> Visit:
    return Visit(file, FOLDER, time_server=time_server, patience=Patience(dhcp=PATIENCE))


@contextmanager
def tiny_disk() -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(STATE)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(STATE)], check=True)


@contextmanager
def short_files() -> Iterator[None]:
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


@contextmanager
def port_held() -> Iterator[None]:
    """Another process listens where settings are served."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.kill()


@contextmanager
def path_with(program: str | None) -> Iterator[None]:
    """A PATH that has, of tshark, this text as a program, or none at all."""
    place, former = FOLDER / "bin", os.environ["PATH"]
    place.mkdir()
    if program is not None:
        (place / "tshark").write_text(f"#!/bin/sh\n{program}\n")
        (place / "tshark").chmod(0o755)
    os.environ["PATH"] = str(place) if program is None else f"{place}:{former}"
    try:
        yield
    finally:
        os.environ["PATH"] = former
        shutil.rmtree(place)


@contextmanager
def root(change: Callable[[Path], object] = str, years_ago: int = 0) -> Iterator[None]:
    """A CA of this bench, made years ago, to which something happened."""
    clock = ManualClock(datetime.now(UTC) - timedelta(days=years_ago * 365))
    Authority.create("J100 bench CA", clock).save(STATE / "ca")
    change(STATE / "ca")
    try:
        yield
    finally:
        shutil.rmtree(STATE / "ca", ignore_errors=True)
        shutil.rmtree(STATE / "agents", ignore_errors=True)


def lost(folder: Path) -> None:
    shutil.rmtree(folder)
    (STATE / "agents").mkdir()


@contextmanager
def written_later() -> Iterator[None]:
    """A file of the bench that was written a day ahead of now."""
    file = STATE / "power-journal.json"
    file.write_text('{"off": []}')
    os.utime(file, (time.time() + 86_400,) * 2)
    try:
        yield
    finally:
        file.unlink()


@contextmanager
def time_server(ahead: float) -> Iterator[str]:
    """The bench's own SNTP server as another lab's, which is `ahead` of this PC."""
    clock = ScaledClock(1, datetime.now(UTC))
    clock.leap(ahead)
    with Lab(clock=clock, authority=AUTHORITY, state=FOLDER / "time", sntp_port=0) as served:
        yield f"127.0.0.1:{served.sntp_port}"


AUTHORITY = Authority.create("elsewhere", ScaledClock())


def ways() -> Iterator[tuple[str, dict[str, object]]]:
    own = testbed(FOLDER, serves=True).file
    others = testbed(FOLDER, serves=False).file
    STATE.mkdir(parents=True)
    for way, broken, check in (
        ("disk too small", tiny_disk(), "disk"),
        ("files may not grow", short_files(), "disk"),
        ("a port held by another process", port_held(), "ports"),
        ("a DHCP server at the bench's port", own_server(FOLDER), "ports"),
        ("no tshark", path_with(None), "tshark"),
        ("an old tshark", path_with("echo 'TShark (Wireshark) 2.6.20 (Git v2.6.20)'"), "tshark"),
        ("root is over", root(years_ago=40), "CA"),
        ("root lost its key", root(lambda folder: (folder / "ca.key").unlink()), "CA"),
        ("root lost as a whole", root(lost), "CA"),
        ("others may read the root's key", root(lambda folder: (folder / "ca.key").chmod(0o644)), "CA"),
        ("the clock was set back", written_later(), "clock"),
    ):
        with broken:
            yield way, answer(check, visited(own))
    for way, ahead in (("the clock is wrong", 7200), ("the clock is right", 0)):
        with time_server(ahead) as server:
            yield way, answer("clock", visited(own, time_server=server))
    for way, file, labs in (
        ("a second DHCP server", own, [[]]),
        ("a DHCP server that sends phones away", others, [["--dhcp-option-force=242,HTTPSRVR=10.9.0.77"]]),
        ("nobody gives addresses", others, []),
    ):
        with lab(0, labs[0]) if labs else subprocess.Popen(["true"]):
            yield way, answer("DHCP", visited(file))
    with root(years_ago=26):
        yield "root soon over", answer("CA", visited(own))
    yield from of_the_bench(own)


def of_the_bench(own: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """What opening it meets: a testbed that is wrong, an interface that is not there, somebody who has it."""
    wrong, right = FOLDER / "wrong.yaml", own.read_text()
    for way, text, check in (
        ("a testbed with a wrong key", right.replace("serial:", "seriel:"), "testbed"),
        ("a secret that is nowhere", right + "phone_snmp: {community_env: NOWHERE}\n", "testbed"),
        ("an interface that is not there", right.replace("interface: bench", "interface: eth9"), "bench"),
        ("an address that is not ours", right.replace(f"address: {BENCH}", "address: 10.9.0.2"), "bench"),
    ):
        wrong.write_text(text)
        yield way, answer(check, visited(wrong))
    with visited(own) as other:
        other.read()
        other.open()
        yield "somebody else has the bench", answer("bench", visited(own))
        yield "no right to record", without_rights(own)
        yield "nothing knows where phones hang", answer("wiring", visited(own))
        yield "nothing knows of spanning tree", answer("edge port", visited(own))
    with visited(own) as visit, lab(0, []), too_busy():
        yield "a PC too busy to record", answer("load", visit)


@contextmanager
def too_busy() -> Iterator[None]:
    """A recorder that gets no turn while frames come, as on a PC that has too much to do."""
    recording: list[Recorder] = []

    class Seen(Recorder):
        def start(self) -> None:
            super().start()
            recording.append(self)

    def send(interface: str) -> None:
        pid = recording[-1].pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        try:
            sends(interface)
        finally:
            os.kill(pid, signal.SIGCONT)

    sends, wire._send, wire.Recorder, recorder.BUFFER_MIB = wire._send, send, Seen, 1  # type: ignore[misc]
    yield


def without_rights(own: Path) -> dict[str, object]:
    """The same check by a process that may not open raw sockets."""
    less = ["setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin"]
    done = subprocess.run([*less, sys.executable, __file__, str(FOLDER), str(own)], stdout=subprocess.PIPE, check=True)
    said: dict[str, object] = json.loads(done.stdout)
    return said


if __name__ == "__main__":
    if sys.argv[2:]:
        sys.stdout.write(json.dumps(answer("capture", visited(Path(sys.argv[2])))))
        sys.exit()
    for words in ("link set lo up", "link add bench type bridge", f"addr add {BENCH}/24 dev bench", "link set bench up"):
        ip(words)
    pc.ROOM = 0  # whatever the machine has
    pc._synchronised = lambda: False
    sys.stdout.write(json.dumps(dict(ways())))
