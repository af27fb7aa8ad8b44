from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from hil.errors import Misuse
from hil.services.dhcp import Ack, DhcpPlan, read_ack

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
    assert seen["offer"]["xid"] == 2, "the stranger, who asked first, gets nothing, and no refusal either"
    for answer in (seen["offer"], seen["ack"]):
        assert answer["ip"] == "10.9.0.11"
        assert answer["242"] == "HTTPSRVR=10.9.0.1,HTTPPORT=8080,DES_STAT=1"
        assert answer["lease_time"] == 42 * 86_400
        assert (answer["NTP_server"], answer["log_server"]) == ("10.9.0.1", "10.9.0.1")
        assert "name_server" not in answer
    event = seen["event"]
    assert (event["name"], event["device"]) == ("dhcp lease", "j179-1")
    assert event["details"] == {"mac": "c8:1f:ea:00:00:01", "ip": "10.9.0.11", "name": "j179-1"}
    assert seen["gone"], "dnsmasq has outlived stop()"
    assert seen["faults"] == []


@needs_dnsmasq
def test_a_parked_phone_is_sent_to_the_labs_own_server(own_network: list[str]) -> None:
    offer = play(own_network, "parked")["offer"]
    assert (offer["ip"], offer["242"]) == ("10.9.0.11", "HTTPSRVR=10.0.0.5,HTTPDIR=lab")
    assert "NTP_server" not in offer
    assert "log_server" not in offer


@needs_dnsmasq
def test_the_names_that_are_wanted_are_the_only_ones_that_it_knows(own_network: list[str]) -> None:
    seen = play(own_network, "names")
    no_such_record, no_such_name, refused = 0, 3, 5
    assert seen == {
        "told to ask": "10.9.0.1",
        "services.example.com A": "10.9.0.1",
        "services.example.com AAAA": no_such_record,
        "www.services.example.com A": no_such_name,
        "example.com A": refused,
        "j179-1 A": refused,
    }


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


MACS = ("c8:1f:ea:00:00:01", "c8:1f:ea:00:00:02")


def plan(**site: str) -> DhcpPlan:
    """Two phones, of which the first is told more."""
    hosts = {mac: (f"10.9.0.1{number}", f"j179-{number}") for number, mac in enumerate(MACS)}
    own = {MACS[0]: site} if site else {}
    return DhcpPlan("bench", "10.9.0.1", IPv4Network("10.9.0.0/24"), hosts, 8080, Path("leases"), site=own)


def test_option_242_always_leaves_a_way_in_over_plain_http() -> None:
    for told in (plan(), plan(DES_STAT="1"), plan(L2Q="1", L2QVLAN="7", SIG="2", VLANTEST="0", DES_STAT="1")):
        options = [word.partition("242,")[2] for word in told.command() if ",242," in word or "=242," in word]
        assert options
        for option in options:
            assert option.split(",")[:2] == ["HTTPSRVR=10.9.0.1", "HTTPPORT=8080"]
            assert not re.search(r"TLS|AUTH|HTTPDIR", option)


@pytest.mark.parametrize("name", ["TLSSRVR", "tlssrvr", "TLSPORT", "TLSDIR", "HTTPSRVR", "HTTPPORT", "HTTPDIR", "AUTH"])
def test_nothing_in_option_242_may_lead_a_phone_off_plain_http(name: str) -> None:
    with pytest.raises(Misuse, match="off the bench's plain HTTP"):
        plan(**{name: "10.9.0.77"}).command()


@pytest.mark.parametrize("value", ["0,TLSSRVR=10.9.0.77", 'a"b', "a=b", "a\nb"])
def test_a_value_cannot_smuggle_another_parameter_into_option_242(value: str) -> None:
    with pytest.raises(Misuse, match="cannot stand in option 242"):
        plan(SIG=value).command()


def test_option_242_is_no_longer_than_an_option_may_be() -> None:
    with pytest.raises(Misuse, match="255 letters"):
        plan(SIG="2" * 255).command()


def test_each_phone_is_told_by_its_own_tag() -> None:
    command = plan(VLANTEST="0").command()
    assert "--dhcp-host=c8:1f:ea:00:00:02,set:phone-c81fea000002,10.9.0.11,j179-1" in command
    assert "--dhcp-option-force=242,HTTPSRVR=10.9.0.1,HTTPPORT=8080" in command
    assert "--dhcp-option-force=tag:phone-c81fea000001,242,HTTPSRVR=10.9.0.1,HTTPPORT=8080,VLANTEST=0" in command
