"""A night whose frames are recorded by a tap: another network, an SSH server of its own, a port that the switch mirrors to."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml
from night_rig import SHORT, SHORT_DEFECTS, Ended, Rig
from tap_rig import SSHD, Sshd

from hil.capture.acknowledged import missing_octets
from hil.capture.files import open_capture
from hil.capture.tshark import frames_that_acknowledge_lost_segments
from hil.judge.verdict import Verdict

ONE = ("-k", "keylen_default")
CAPTURE_TESTS = Path(__file__).parents[1] / "capture"
ADDRESS, PC = "198.51.100.2", "198.51.100.1"

# A pytest plugin: once the virtual bench is open, there is a tap at its switch.
TAP = f"""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, {str(CAPTURE_TESTS)!r})

from tap_rig import Sshd
from hil.virtual.bench import VirtualBench

FOLDER = Path({{folder!r}})
opening, closing = VirtualBench.open, VirtualBench.close


def ip(pid, *commands):
    for command in commands:
        subprocess.run(["nsenter", f"--net=/proc/{{{{pid}}}}/ns/net", "ip", *command.split()], check=True, timeout=20)


def open_with_tap(bench):
    opening(bench)
    (switch,) = Path(f"/proc/{{{{bench._process.pid}}}}/task/{{{{bench._process.pid}}}}/children").read_text().split()
    tap = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo ready; exec sleep 600"], stdout=subprocess.PIPE)
    assert tap.stdout.readline() == b"ready\\n"
    ip(tap.pid, "link set lo up")
    ip("self", f"link add tap0 type veth peer name eth0 netns /proc/{{{{tap.pid}}}}/ns/net")
    ip("self", "address add {PC}/30 dev tap0", "link set tap0 up")
    ip(tap.pid, "address add {ADDRESS}/30 dev eth0", "link set eth0 up")
    ip(switch, f"link add mirror type veth peer name mirror0 netns /proc/{{{{tap.pid}}}}/ns/net", "link set mirror master br0 up")
    ip(tap.pid, "link set mirror0 up")
    sshd = Sshd(FOLDER, "{ADDRESS}")
    sshd.start(["nsenter", f"--net=/proc/{{{{tap.pid}}}}/ns/net"])
    (FOLDER / "pid").write_text(str(sshd.process.pid))
    bench.tap = sshd, tap


def close_with_tap(bench):
    closing(bench)
    if hasattr(bench, "tap"):
        sshd, tap = bench.tap
        del bench.tap
        sshd.close()
        with tap:
            tap.kill()


VirtualBench.open, VirtualBench.close = open_with_tap, close_with_tap
"""

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not Path(SSHD).exists(), reason="needs root and an SSH server")


def with_tap(rig: Rig, name: str, sshd: Sshd, **phone: object) -> Path:
    """The short testbed with that tap."""
    file = rig.testbed(name, **phone)
    bench = yaml.safe_load(file.read_text())
    bench["tap"] = {
        "address": sshd.address,
        "port": sshd.port,
        "user": "root",
        "interface": "mirror0",
        "known_hosts": str(sshd.known_hosts),
        "key_file": str(sshd.folder / "user_key"),
    }
    file.write_text(yaml.safe_dump(bench, sort_keys=False))
    return file


def test_a_night_through_a_tap_has_the_same_verdicts(short_night: Ended, rig: Rig) -> None:
    sshd = Sshd(rig.folder / "tap", ADDRESS)
    testbed = with_tap(rig, "there", sshd, defects=[*SHORT_DEFECTS])
    there = rig.play(*SHORT, testbed=testbed, plugin=TAP.format(folder=str(sshd.folder)))
    assert there.code == short_night.code, there.said
    assert there.verdicts == short_night.verdicts
    assert sorted(there.verdicts.values()) == [Verdict.CONFORMS, Verdict.DEVIATES]
    assert there.left == ()
    for boot in [boot for sitting in there.record.sittings for boot in sitting.boots]:
        assert boot.complete
        file = there.run / str(boot.capture)
        capture = open_capture(file)
        times = [packet.time for packet in capture.packets()]
        assert times == sorted(times)
        assert [interface.name for interface in capture.interfaces] == ["mirror0", "lo"]
        assert missing_octets(file) == ()
        assert frames_that_acknowledge_lost_segments(file) == ()
    assert [*there.run.glob("evidence/**/*.part")] == []


def test_a_tap_that_is_lost_in_mid_boot_is_inconclusive(rig: Rig) -> None:
    sshd = Sshd(rig.folder / "tap", ADDRESS)
    testbed = with_tap(rig, "cut", sshd, boot_delay=20)
    running = rig.begin(*ONE, testbed=testbed, plugin=TAP.format(folder=str(sshd.folder)))
    running.await_boot("main", "power on")
    pid = (sshd.folder / "pid").read_text()
    for session in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        os.kill(int(session), signal.SIGKILL)
    ended = running.end()
    assert ended.code == 12, ended.said
    assert set(ended.verdicts.values()) == {Verdict.INCONCLUSIVE}
    (test,) = ended.record.tests
    assert test.reason is not None
    assert f"the connection to root@{ADDRESS}:2222 was lost" in test.reason


def test_a_tap_that_cannot_be_reached_is_not_fit_to_start(rig: Rig) -> None:
    nobody = Sshd(rig.folder / "tap", "127.0.0.1", 9)
    ended = rig.play(*ONE, testbed=with_tap(rig, "nobody", nobody))
    assert ended.code == 10, ended.said
    assert "the tap cannot be reached" in ended.said
    assert ended.left == ()
