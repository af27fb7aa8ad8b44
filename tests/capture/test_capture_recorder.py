"""Recordings proven in network namespaces, with dumpcap and with scapy's sockets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.capture.marker import Marker, Source
from hil.capture.recorder import Recorder
from hil.errors import LabFault

HERE = Path(__file__).resolve().parent
TOOLS = ["dumpcap", "scapy"]


def run(network: list[str], name: str, tool: str, folder: Path) -> Any:
    """What a recording of `namespace_recordings` tells; run in a namespace where its network is its own."""
    if tool == "dumpcap" and shutil.which("dumpcap") is None:
        pytest.skip("dumpcap is not installed")
    script = [sys.executable, "-W", "error", str(HERE / "namespace_recordings.py"), name, tool, str(folder / "capture.pcapng")]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run([*network, *script], capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_passes_is_recorded_and_proven_whole(each_network: list[str], tool: str, tmp_path: Path) -> None:
    told = run(each_network, "traffic", tool, tmp_path)
    assert told["fetches"] == [["127.0.0.1:8080", "/46xxsettings.txt", 200]]
    assert told["problems"] == []
    assert told["alive"] == [True, False]
    summary = told["summary"]
    assert (summary["complete"], summary["problems"], summary["tool"]) == (True, [], tool)
    (source,) = summary["sources"]
    assert source["interface"] == "lo"
    assert source["drops"] == 0
    assert source["packets"] == summary["packets"] >= 8


def test_a_clock_that_was_set_leaves_it_incomplete(own_network: list[str], tmp_path: Path) -> None:
    summary = run(own_network, "clock_set", "dumpcap", tmp_path)["summary"]
    assert (summary["complete"], summary["problems"]) == (False, ["the clock of this PC was set by +3.0 s while it recorded"])


@pytest.mark.parametrize("tool", TOOLS)
def test_each_source_is_proven_by_its_own_marker(own_network: list[str], tool: str, tmp_path: Path) -> None:
    summary = run(own_network, "several", tool, tmp_path)["summary"]
    assert summary["complete"], summary
    assert [source["interface"] for source in summary["sources"]] == ["left", "right", "lo"]
    left, right, lo = (source["packets"] for source in summary["sources"])
    assert left >= 2
    assert right >= 3  # without a filter it hears the other end's last marker too, and its first if it was opened by then
    assert lo >= 2


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_killed_in_mid_recording_leaves_it_incomplete(own_network: list[str], tool: str, tmp_path: Path) -> None:
    told = run(own_network, "killed", tool, tmp_path)
    assert told["alive"] is False
    assert told["summary"]["complete"] is False
    assert told["summary"]["problems"][0] == f"{tool} ended before it was told to (SIGKILL)"
    assert told["summary"]["sources"] == [{"interface": "lo", "packets": None, "drops": None}]


@pytest.mark.parametrize("tool", TOOLS)
def test_an_interface_lost_in_mid_recording_leaves_it_incomplete(own_network: list[str], tool: str, tmp_path: Path) -> None:
    summary = run(own_network, "silenced", tool, tmp_path)["summary"]
    assert summary["complete"] is False
    assert any("left" in problem or "ended before" in problem for problem in summary["problems"])


@pytest.mark.parametrize("tool", TOOLS)
def test_drops_are_read_and_make_it_incomplete(own_network: list[str], tool: str, tmp_path: Path) -> None:
    summary = run(own_network, "flooded", tool, tmp_path)["summary"]
    (source,) = summary["sources"]
    assert source["drops"] > 0
    assert summary["complete"] is False
    assert f"{source['drops']} packets of lo were dropped" in summary["problems"]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("unheard", "nothing proves that right is recorded (tried markers for 0.5 s"),
        ("down", "nothing proves that lo is recorded (tried markers for 0.5 s, seen the marker cannot be sent: Network is down"),
        ("absent", "nothing proves that eth99 is recorded"),
    ],
)
def test_no_proof_is_a_lab_fault_and_leaves_nothing_running(
    own_network: list[str], tool: str, name: str, said: str, tmp_path: Path
) -> None:
    told = run(own_network, name, tool, tmp_path)
    assert told["fault"].startswith(said)
    assert told["alive"] is False


def test_a_recorder_that_was_not_started_cannot_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(LabFault, match="had not been started"):
        Recorder([Source("lo")], tmp_path / "none").stop()


def test_a_file_that_cannot_be_written_is_a_lab_fault(tmp_path: Path) -> None:
    with pytest.raises(LabFault, match="cannot be started"):
        Recorder([Source("lo")], tmp_path / "absent" / "capture.pcapng").start()


def test_markers_pass_their_own_filter_alone() -> None:
    one, two = Marker(Source("lo", "tcp")), Marker(Source("lo", "tcp"))
    assert one.tag != two.tag
    assert one.capture_filter == f"(ether proto 0x88b5 and ether[14:4] = 0x{one.tag.hex()}) or (tcp)"
    assert Marker(Source("lo")).capture_filter == ""
    datagram = Marker(Source("lo", "tcp", "127.0.0.9"))
    assert datagram.capture_filter == f"(udp dst port 9 and udp[8:4] = 0x{datagram.tag.hex()}) or (tcp)"
