"""A renewal under an open connection as the capture has it: with the key log beside it, tshark reads all of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.capture.tls import read_tls

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def recorded(own_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `tls_recording` leaves."""
    if shutil.which("dumpcap") is None:
        pytest.skip("dumpcap is not installed")
    folder = tmp_path_factory.mktemp("recorded")
    command = [*own_network, sys.executable, "-W", "error", str(HERE / "tls_recording.py"), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


def tshark(folder: Path, *options: str) -> list[list[str]]:
    """Fields of the frames that a filter leaves."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    ends = ["-r", str(folder / "capture.pcapng"), "-d", "tcp.port==5061,tls", "-T", "fields", "-E", "occurrence=f"]
    done = subprocess.run(["tshark", *ends, *options], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def told(folder: Path) -> Any:
    return json.loads((folder / "events.json").read_text())


def test_the_key_log_opens_both_connections(recorded: Path) -> None:
    keys = ("-o", f"tls.keylog_file:{recorded / 'keys.log'}")
    fields = ("-e", "tcp.stream", "-e", "x509af.serialNumber")
    first, second = told(recorded)["serials"]
    presented = tshark(recorded, *keys, "-Y", "tls.handshake.type == 11 && tcp.dstport == 5061", *fields)
    assert [(stream, serial.replace(":", "").lstrip("0")) for stream, serial in presented] == [("0", first), ("1", second)]


def test_without_it_tls_1_3_shows_no_certificate(recorded: Path) -> None:
    presented = tshark(recorded, "-Y", "tls.handshake.type == 11 && tcp.dstport == 5061", "-e", "tcp.stream")
    assert presented == [["0"]]


def test_bytes_cross_the_old_connection_after_the_new_one_was_made(recorded: Path) -> None:
    keys = ("-o", f"tls.keylog_file:{recorded / 'keys.log'}")
    frames = tshark(recorded, *keys, "-Y", "tls.app_data && tcp.dstport == 5061", "-e", "tcp.stream")
    assert [stream for (stream,) in frames] == ["0", "1", "0"]
    closed = [event["details"] for event in told(recorded)["events"] if event["name"] == "tls closed"]
    assert sorted((one["received"], one["sent"]) for one in closed) == [(4, 2), (8, 4)]


def test_the_capture_alone_shows_what_is_not_sealed(recorded: Path) -> None:
    old, new = read_tls(recorded / "capture.pcapng")
    assert (old.version, old.sealed, new.version, new.sealed) == ("TLSv1.2", False, "TLSv1.3", True)
    assert old.certificate is not None
    assert f"{old.certificate.serial:x}" == told(recorded)["serials"][0]
    [[frame]] = tshark(recorded, "-Y", "tls.handshake.type == 11 && tcp.dstport == 5061", "-e", "frame.number")
    assert old.certificate_frame == int(frame)
    assert (new.certificate, new.certificate_frame) == (None, None)
    assert old.problems == new.problems == []
    events = [event["details"] for event in told(recorded)["events"] if event["name"] == "tls handshake"]
    assert [one.client for one in (old, new)] == [event["client"] for event in events]


def test_the_capture_alone_shows_bytes_on_the_old_connection_after_the_new_one(recorded: Path) -> None:
    old, new = read_tls(recorded / "capture.pcapng")
    from_phone = [record.frame for record in old.records if record.from_client]
    seen = tshark(recorded, "-Y", "tls.app_data && tcp.dstport == 5061 && tcp.stream == 0", "-e", "frame.number")
    assert from_phone == [int(frame) for (frame,) in seen]
    before, after = from_phone
    assert before < new.frame < after
