"""Recordings at a tap with a real SSH server, run by the tests as root in a network of their own; prints what came of each.

unshare -n python tap_recordings.py FOLDER

The PC's port is `bench0`, the tap's is `mirror0`, and the frames of a phone are made by hand.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import by_hand
from tap_rig import Sshd, gone, running

from hil.capture.files import instant, open_capture
from hil.capture.recorder import CaptureSummary, Source
from hil.capture.tap import Access, TapRecorder, check_tap
from hil.capture.transcript import read_capture
from hil.errors import LabFault

FOLDER = Path(sys.argv[1])
LINKS = (
    "link set lo up",
    "link add bench0 type veth peer name mirror0",
    "link set bench0 up",
    "link set mirror0 up",
)
NO_RIGHTS = "exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all dumpcap"
HANGS = f"""exec {sys.executable} -c "
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    signal.pause()
" "$@\""""
WIRE = Source("mirror0", f"ether host {by_hand.CLIENT_MAC.hex(':')}", sent_from="bench0")
HERE = Source("lo", "udp port 9999")


def program(name: str, text: str) -> str:
    """A program on the tap that stands in for dumpcap."""
    file = FOLDER / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def recorder(access: Access, name: str, **changes: Any) -> TapRecorder:
    return TapRecorder(access, WIRE, HERE, FOLDER / f"{name}.pcapng", **({"patience": 5.0} | changes))


def phone_speaks() -> None:
    """Twelve frames of a phone on the bench, and a datagram on loopback."""
    talk = by_hand.Talk()
    packets = [*talk.opening(), talk.ask(by_hand.request()), talk.answer(by_hand.reply(b"text")), talk.segment(True)]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as bench:
        bench.bind(("bench0", 0))
        for packet in packets * 2:
            bench.send(by_hand.framed(packet))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loop:
        loop.sendto(b"reference", ("127.0.0.1", 9999))


def told(summary: CaptureSummary) -> dict[str, Any]:
    return {
        "complete": summary.complete,
        "problems": summary.problems,
        "tool": summary.tool,
        "sources": [(source.interface, source.drops) for source in summary.sources],
        "gone": gone("mirror0"),
        "parts": [file.name for file in FOLDER.glob("*.part")],
    }


def played(access: Access, name: str, meanwhile: Callable[[], object] = phone_speaks) -> dict[str, Any]:
    """A recording with something in its middle, and how far the times of its first frames are from this PC's."""
    one = recorder(access, name)
    one.start()
    before = time.time()
    meanwhile()
    facts = told(one.stop())
    transcript = read_capture(one.file)
    times = [packet.time / 1e9 for packet in open_capture(one.file).packets() if len(packet.data) > 100]
    return facts | {
        "fetches": [(fetch.path, fetch.status) for fetch in transcript.fetches],
        "datagrams": sum(b"reference" in packet.data for packet in open_capture(one.file).packets()),
        "late": [round(moment - before, 3) for moment in times[:1]],
        "in_order": transcript.first is not None and transcript.first <= instant(int(before * 1e9)),
    }


def fault(start: Callable[[], object]) -> dict[str, Any]:
    began = time.monotonic()
    try:
        start()
    except LabFault as error:
        seconds = time.monotonic() - began
        return {
            "fault": str(error),
            "gone": gone("mirror0"),
            "seconds": seconds,
            "parts": [f.name for f in FOLDER.glob("*.part")],
        }
    return {"fault": None}


def dumpcap_of_the_tap() -> int:
    (pid,) = [pid for pid in running("mirror0") if Path(f"/proc/{pid}/comm").read_text().strip() == "dumpcap"]
    return pid


def killed_there() -> None:
    os.kill(dumpcap_of_the_tap(), signal.SIGKILL)
    assert gone("mirror0")


def flooded() -> None:
    pid = dumpcap_of_the_tap()
    os.kill(pid, signal.SIGSTOP)
    frame = by_hand.ethernet(by_hand.udp_packet("10.0.0.7", 1, "10.0.0.1", 2, bytes(1_400)))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as bench:
        bench.bind(("bench0", 0))
        for _ in range(40_000):
            bench.send(frame)
    os.kill(pid, signal.SIGCONT)


def silent_server() -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 2300)) as ears:
        access = Access("127.0.0.1", 2300, "root", FOLDER / "ssh" / "known_hosts", FOLDER / "ssh" / "user_key", timeout=1.0)
        links: list[socket.socket] = []
        listening = threading.Thread(target=lambda: links.append(ears.accept()[0]))
        listening.start()
        came_of_it = fault(lambda: check_tap(access))
        listening.join()
        links[0].close()
        return came_of_it


def disk_full(access: Access) -> dict[str, Any]:
    """What the tap sends finds no room here."""
    small = FOLDER / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=True, timeout=20)
    one = TapRecorder(access, WIRE, HERE, small / "full.pcapng", patience=5.0)
    one.start()
    frame = by_hand.ethernet(by_hand.udp_packet("10.0.0.7", 1, "10.0.0.1", 2, bytes(1_400)))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as bench:
        bench.bind(("bench0", 0))
        for _ in range(200):
            bench.send(frame)
    assert gone("mirror0"), "the tap records on into nothing"
    return fault(lambda: told(one.stop()))


def hold() -> None:
    """Record until this process dies."""
    folder = FOLDER / "ssh"
    recorder(Access("127.0.0.1", 2222, "root", folder / "known_hosts", folder / "user_key"), "held").start()
    print("recording", flush=True)  # noqa: T201  # read by `owner_dies`
    sys.stdin.read()


def owner_dies() -> dict[str, Any]:
    """The process that records is killed."""
    with subprocess.Popen(
        [sys.executable, __file__, str(FOLDER), "hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        before = len(running("mirror0"))
        process.kill()
    for part in FOLDER.glob("held.*.part"):
        part.unlink()
    return {"said": said.decode(), "before": before > 0, "gone": gone("mirror0")}


def all_of_them() -> dict[str, Any]:
    for line in LINKS:
        subprocess.run(["ip", *shlex.split(line)], check=True, timeout=20)
    with Sshd(FOLDER / "ssh") as sshd:
        access = sshd.access()
        other_clock = f"exec {sys.executable} {Path(__file__).parent / 'other_clock.py'}"
        stranger = sshd.known_as(FOLDER / "ssh" / "user_key.pub", "stranger")
        unknown = FOLDER / "ssh" / "unknown"
        unknown.touch()

        def connection_cut() -> None:
            for pid in sshd.sessions():
                os.kill(pid, signal.SIGKILL)
            assert gone("mirror0")

        def started(changed: Access, name: str, **changes: Any) -> dict[str, Any]:
            return fault(recorder(changed, name, **changes).start)

        elsewhere = replace(WIRE, interface="nowhere0")
        return {
            "whole": played(access, "whole"),
            "ahead": played(replace(access, dumpcap=program("ahead", f'{other_clock} 3600.5 0 "$@"')), "ahead"),
            "behind": played(replace(access, dumpcap=program("behind", f'{other_clock} -86400 0 "$@"')), "behind"),
            "set": played(replace(access, dumpcap=program("set", f'{other_clock} 0 2 "$@"')), "set"),
            "killed": played(access, "killed", killed_there),
            "cut": played(access, "cut", connection_cut),
            "flooded": played(access, "flooded", flooded),
            "hangs at the end": played(access, "stuck", lambda: os.kill(dumpcap_of_the_tap(), signal.SIGSTOP)),
            "full": disk_full(access),
            "owner dies": owner_dies(),
            "checked": fault(lambda: check_tap(access)),
            "missing": fault(lambda: check_tap(replace(access, dumpcap="/nowhere/dumpcap"))),
            "missing at start": started(replace(access, dumpcap="/nowhere/dumpcap"), "missing"),
            "no rights": started(replace(access, dumpcap=program("norights", f'{NO_RIGHTS} "$@"')), "norights"),
            "no interface": fault(TapRecorder(access, elsewhere, HERE, FOLDER / "elsewhere.pcapng", patience=5.0).start),
            "hangs": started(replace(access, dumpcap=program("hangs", HANGS)), "hangs", patience=1.0),
            "deaf": fault(TapRecorder(access, replace(WIRE, sent_from="lo"), HERE, FOLDER / "deaf.pcapng", patience=1.0).start),
            "stranger": fault(lambda: check_tap(replace(access, known_hosts=stranger))),
            "unknown": fault(lambda: check_tap(replace(access, known_hosts=unknown))),
            "not let in": fault(lambda: check_tap(replace(access, key_file=FOLDER / "ssh" / "host_key"))),
            "nobody there": fault(lambda: check_tap(replace(access, port=2301))),
            "silent": silent_server(),
        }


if __name__ == "__main__":
    if "hold" in sys.argv:
        hold()
    else:
        print(json.dumps(all_of_them()))  # noqa: T201  # its answer to the test that runs it
