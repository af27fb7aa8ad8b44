"""Recording at a tap: a real SSH server and a real dumpcap, and each way in which either can fail."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest

from hil.capture.files import CaptureFile, Packet, open_capture
from hil.capture.merging import Ahead, TapClock, clock_by_markers, merge
from hil.capture.recorder import Source
from hil.capture.tap import Access, TapRecorder, check_tap
from hil.errors import LabFault
from hil.secret import Secret

HERE = Path(__file__).resolve().parent
SECOND = 10**9


@pytest.fixture(scope="module")
def recordings(own_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each recording of `tap_recordings.py`."""
    if os.geteuid():
        pytest.skip("an SSH server needs root")
    for name in ("/usr/sbin/sshd", "dumpcap"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = tmp_path_factory.mktemp("tap")
    command = [*own_network, "-m", sys.executable, "-W", "error", str(HERE / "tap_recordings.py"), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("clock", ["whole", "ahead", "behind"])
def test_what_passes_at_the_tap_and_here_is_one_capture_by_this_pcs_clock(recordings: dict[str, Any], clock: str) -> None:
    told = recordings[clock]
    assert (told["complete"], told["problems"]) == (True, [])
    assert told["tool"] == "dumpcap at 127.0.0.1"
    assert told["sources"] == [["mirror0", 0], ["lo", 0]]
    assert told["fetches"] == [["/46xxsettings.txt", 200]]
    assert told["datagrams"] == 1
    assert told["in_order"]
    (late,) = told["late"]
    assert -0.05 < late < 1
    assert told["parts"] == []


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("set", "the clock of the tap, or of this PC, was set meanwhile: the one gained +2.0"),
        ("killed", "dumpcap at root@127.0.0.1:2222 ended before it was told to (exit code 137)"),
        ("cut", "the connection to root@127.0.0.1:2222 was lost"),
        ("hangs at the end", "dumpcap at root@127.0.0.1:2222 failed (exit code 137)"),
    ],
)
def test_what_fails_in_mid_recording_leaves_it_incomplete(recordings: dict[str, Any], what: str, said: str) -> None:
    told = recordings[what]
    assert told["complete"] is False
    assert told["problems"][0].startswith(said)


def test_the_taps_drops_are_counted(recordings: dict[str, Any]) -> None:
    told = recordings["flooded"]
    (name, drops), _ = told["sources"]
    assert drops > 0
    assert told["problems"] == [f"{drops} packets of {name} were dropped"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("missing", "dumpcap cannot be run at the tap; install wireshark-common there"),
        ("missing at start", "dumpcap cannot be run at the tap; install wireshark-common there"),
        ("no rights", "dumpcap does not record at the tap"),
        ("no interface", "dumpcap does not record at the tap"),
        ("hangs", "nothing proves that the tap hears the bench"),
        ("deaf", "nothing proves that the tap hears the bench"),
        ("full", "the recording cannot be kept"),
        ("stranger", "the tap is not the one that is known"),
        ("unknown", "the tap is not known"),
        ("not let in", "the tap does not let us in"),
        ("nobody there", "the tap cannot be reached"),
        ("silent", "the tap cannot be reached"),
    ],
)
def test_what_keeps_a_tap_from_recording_is_a_fault_of_the_bench(recordings: dict[str, Any], what: str, said: str) -> None:
    told = recordings[what]
    assert told["fault"].startswith(said), told
    assert told["parts"] == []
    assert told["seconds"] < 30


def test_the_tap_says_why_dumpcap_does_not_record(recordings: dict[str, Any]) -> None:
    assert "Permission denied" in recordings["no rights"]["fault"]
    assert 'no device named "nowhere0"' in recordings["no interface"]["fault"]
    assert "No space left on device" in recordings["full"]["fault"]


def test_no_dumpcap_stays_behind_on_the_tap_whatever_happened(recordings: dict[str, Any]) -> None:
    assert {name: told["gone"] for name, told in recordings.items() if "gone" in told and not told["gone"]} == {}
    assert recordings["owner dies"] == {"said": "recording\n", "before": True, "gone": True}
    assert recordings["checked"] == {"fault": None}


class Door(paramiko.ServerInterface):
    """Lets in by password; `answer` is what becomes of a command."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def get_allowed_auths(self, _: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.AUTH_SUCCESSFUL if (username, password) == ("tap", "w0rd") else paramiko.AUTH_FAILED

    def check_channel_request(self, *_: object) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, _: bytes) -> bool:
        if self._answer == "runs":
            channel.send_exit_status(0)
        if self._answer == "hangs up":
            threading.Thread(target=channel.get_transport().close).start()
        return self._answer != "refuses"


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Access]:
    """A tap that paramiko plays; the parameter is what it does with commands."""
    key = paramiko.ECDSAKey.generate()
    known_hosts = tmp_path / "known_hosts"
    with socket.create_server(("127.0.0.1", 0)) as ears:
        port = ears.getsockname()[1]
        known_hosts.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        transports: list[paramiko.Transport] = []

        def serve() -> None:
            link, _ = ears.accept()
            transport = paramiko.Transport(link)
            transports.append(transport)
            transport.add_server_key(key)
            transport.start_server(threading.Event(), Door(request.param))

        thread = threading.Thread(target=serve)
        thread.start()
        yield Access("127.0.0.1", port, "tap", known_hosts, password=Secret("w0rd"), timeout=2.0)
        thread.join(10)
        for transport in transports:
            transport.close()
            transport.join(10)


@pytest.mark.parametrize("server", ["runs"], indirect=True)
def test_a_password_lets_in(server: Access) -> None:
    check_tap(server)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ("refuses", "the tap runs no command for us"),
        ("hangs up", "the tap (hangs up|runs no command for us)"),
        ("is silent", "the tap does not answer"),
    ],
    indirect=["server"],
)
def test_a_server_that_misbehaves_is_a_fault_of_the_bench(server: Access, said: str) -> None:
    with pytest.raises(LabFault, match=said):
        check_tap(server)


@pytest.mark.parametrize("server", ["runs"], indirect=True)
def test_a_wrong_password_is_told_without_saying_it(server: Access) -> None:
    wrong = Access(server.address, server.port, "tap", server.known_hosts, password=Secret("another-w0rd"), timeout=2.0)
    with pytest.raises(LabFault, match="does not let us in") as caught:
        check_tap(wrong)
    assert "another-w0rd" not in f"{caught.value} {wrong!r}"


@pytest.mark.parametrize("damaged", [b"tap ssh-rsa AAAAB3Nza\n", b"\xff\xfe\n"])
def test_a_file_of_known_taps_that_is_damaged_is_named(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "known_hosts").write_bytes(damaged)
    with pytest.raises(LabFault, match=rf"the tap's key cannot be read .*{tmp_path}/known_hosts is damaged"):
        check_tap(Access("127.0.0.1", 22, "tap", tmp_path / "known_hosts"))


def test_a_recorder_that_was_not_started_cannot_be_stopped(tmp_path: Path) -> None:
    access = Access("127.0.0.1", 22, "tap", tmp_path / "known_hosts")
    with pytest.raises(LabFault, match="had not been started"):
        TapRecorder(access, Source("eth2", sent_from="lo"), Source("lo"), tmp_path / "none.pcapng").stop()


def test_a_clock_that_drifts_is_followed_and_one_that_was_set_is_refused() -> None:
    drifting = TapClock(Ahead(1_000 * SECOND, 5 * SECOND), Ahead(87_400 * SECOND, 9 * SECOND))
    assert drifting.problem is None
    assert drifting.here(1_000 * SECOND) == 995 * SECOND
    assert drifting.here(44_200 * SECOND) == 44_193 * SECOND
    assert drifting.here(87_400 * SECOND) == 87_391 * SECOND
    for gained, refused in ((0.04, False), (-0.04, False), (0.06, True), (-2.0, True)):
        clock = TapClock(Ahead(0, 0), Ahead(SECOND, int(gained * SECOND)))
        assert bool(clock.problem) is refused, gained
    one_marker = TapClock(Ahead(7, 5), Ahead(7, 5))
    assert one_marker.here(7) == 2


def test_of_several_markers_the_soonest_tells_the_clock(workshop: Any) -> None:
    def body(number: int) -> bytes:
        return b"tag!recorder marker " + bytes([number]) * 16

    frames = [(0, bytes(14) + body(number)) for number in range(4)]  # a millisecond apart
    capture = CaptureFile(workshop.pcapng(frames))
    times = [packet.time for packet in CaptureFile(workshop.pcapng(frames)).packets()]
    sent = {body(0): times[0] - 9_000, body(1): times[1] - 2_000}
    ended = {body(2): times[2] - 3_000, body(3): times[3] - 4_000}
    assert clock_by_markers(capture, sent, ended) == TapClock(Ahead(times[1], 2_000), Ahead(times[2], 3_000))
    assert clock_by_markers(CaptureFile(workshop.pcapng(frames)), sent, {body(9): 1}) is None


@pytest.mark.parametrize(("back", "refused"), [(0.04, False), (0.06, True), (3_600.0, True)])
def test_a_clock_that_was_set_and_set_right_again_is_refused(back: float, refused: bool) -> None:
    begins, ends = b"tag!recorder marker 0123456789abcdef", b"tag!recorder marker fedcba9876543210"
    seen = ((SECOND, begins), (2 * SECOND + int(back * SECOND), b""), (2 * SECOND, b""), (3 * SECOND, ends))
    packets = [Packet(number, time, 1, bytes(14) + body, 60) for number, (time, body) in enumerate(seen, 1)]
    capture: Any = SimpleNamespace(packets=lambda: iter(packets))
    clock = clock_by_markers(capture, {begins: SECOND}, {ends: 3 * SECOND})
    assert clock is not None
    assert (clock.problem or "").startswith("the clock of the tap was set back by") is refused


def test_a_merged_capture_keeps_order_interfaces_and_drops_and_tells_of_damage(workshop: Any, tmp_path: Path) -> None:
    one, two, merged = tmp_path / "one", tmp_path / "two", tmp_path / "merged.pcapng"
    one.write_bytes(workshop.pcapng([(0, b"a" * 60), (0, b"c" * 60)], drops=[3]))
    two.write_bytes(workshop.pcapng([(0, b"b" * 60), (0, b"d" * 61)]))
    problems = merge([(one, None), (two, TapClock(Ahead(0, -500_000), Ahead(0, -500_000)))], merged)
    capture = open_capture(merged)
    packets = [*capture.packets()]
    assert [packet.data[:1] for packet in packets] == [b"a", b"b", b"c", b"d"]
    assert packets[1].time - packets[0].time == 500_000
    assert len(packets[3].data) == 61
    assert [(interface.name, interface.received, interface.dropped) for interface in capture.interfaces] == [
        ("if0", 100, 3),
        ("if0", None, None),
    ]
    assert (problems, capture.problems) == ((), [])
    two.write_bytes(two.read_bytes()[:-30])
    assert merge([(one, None), (two, None)], merged) != ()
    two.write_bytes(b"")
    assert merge([(one, None), (two, None)], merged) == ("the capture file is empty",)
    again = open_capture(merged)
    assert len([*again.packets()]) == 2
    assert len(again.interfaces) == 2
