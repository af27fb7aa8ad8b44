from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.services.dhcp import Ack, read_ack

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = Path(__file__).with_name("dhcp_scenario.py")

needs_dnsmasq = pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="dnsmasq is not installed")


def play(network: list[str], name: str) -> dict[str, Any]:
    command = [*network, sys.executable, str(SCENARIO), name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@needs_dnsmasq
def test_a_known_phone_gets_its_address_and_what_it_needs(own_network: list[str]) -> None:
    seen = play(own_network, "lease")
    assert seen["offer"]["xid"] == 2, "the stranger, who asked first, gets nothing"
    for answer in (seen["offer"], seen["ack"]):
        assert answer["ip"] == "10.9.0.11"
        assert answer["242"] == "HTTPSRVR=10.9.0.1,HTTPPORT=8080,DES_STAT=1"
        assert answer["lease_time"] == 42 * 86_400
        assert answer["NTP_server"] == "10.9.0.1"
    event = seen["event"]
    assert (event["name"], event["device"]) == ("dhcp lease", "j179-1")
    assert event["details"] == {"mac": "c8:1f:ea:00:00:01", "ip": "10.9.0.11", "name": "j179-1"}
    assert seen["gone"], "dnsmasq has outlived stop()"
    assert seen["faults"] == []


@needs_dnsmasq
def test_a_start_that_fails_says_why(own_network: list[str]) -> None:
    assert "unknown interface nowhere" in play(own_network, "no_interface")["fault"]


@needs_dnsmasq
def test_a_server_that_dies_is_a_fault(own_network: list[str]) -> None:
    assert "dnsmasq ended" in play(own_network, "killed")["event"]["details"]["text"]


@needs_dnsmasq
def test_a_killed_run_leaves_no_server_behind(own_network: list[str]) -> None:
    assert play(own_network, "orphan")["gone"]


@pytest.mark.parametrize(
    ("line", "ack"),
    [
        ("dnsmasq-dhcp[7]: DHCPACK(br0) 10.9.0.11 c8:1f:ea:00:00:01 j179-1\n", Ack("c8:1f:ea:00:00:01", "10.9.0.11", "j179-1")),
        ("dnsmasq-dhcp[7]: DHCPACK(br0) 10.9.0.11 c8:1f:ea:00:00:01 \n", Ack("c8:1f:ea:00:00:01", "10.9.0.11", None)),
        ("dnsmasq-dhcp[7]: DHCPOFFER(br0) 10.9.0.11 c8:1f:ea:00:00:01 \n", None),
        ("dnsmasq-dhcp[7]: DHCPNAK(br0) 10.9.0.11 c8:1f:ea:00:00:01 wrong address\n", None),
    ],
)
def test_acks_are_read_from_the_log(line: str, ack: Ack | None) -> None:
    assert read_ack(line) == ack
