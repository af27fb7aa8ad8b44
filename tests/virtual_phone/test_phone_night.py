"""The phone as a process, in a namespace of its own, against dnsmasq, an HTTP server and Debian's scepserver."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

SCRIPT = Path(__file__).with_name("night.py")


@pytest.fixture(scope="module")
def night(each_network: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    for program in ("unshare", "ip", "dnsmasq", "scepserver"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("night")
    command = [*each_network, sys.executable, str(SCRIPT), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def certificate(night: dict[str, Any], slot: int) -> x509.Certificate:
    return x509.load_pem_x509_certificate(night["flash"][f"profile-{slot}.json"]["certificate"].encode())


def test_power_cut_in_the_flash_write_leaves_nothing(night: dict[str, Any]) -> None:
    assert any("certificate received" in line for line in night["cut"])
    assert not any(name.startswith("profile") for name in night["after_cut"])


def test_three_profiles_enrol_in_one_boot(night: dict[str, Any]) -> None:
    subjects = [certificate(night, slot).subject.rfc4514_string() for slot in (1, 2, 3)]
    assert subjects == ["CN=19WZ1234567A,O=Lab,C=US", "CN=J100-c81fea83e85a", "CN=C81FEA83E85A"]
    for slot in (1, 2, 3):
        key = serialization.load_pem_private_key(night["flash"][f"profile-{slot}.json"]["key"].encode(), None)
        assert key.public_key() == certificate(night, slot).public_key()


def test_files_come_first_and_in_their_order(night: dict[str, Any]) -> None:
    files = ["/files/J179/J100Supgrade.txt", "/files/J179/46xxsettings.txt", "/files/J179/c81fea83e85a.txt"]
    targets = [each["target"] for each in night["seen"]]
    assert targets[:6] == files * 2  # the phone restarted once by itself
    assert [target.split("?")[0] for target in targets[6:]] == [
        f"/scep/p{slot}/pkiclient.exe" for slot in ("", "_2", "_3") for _ in range(3)
    ]
    assert {each["agent"] for each in night["seen"]} == {
        "Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/J179-4.1.3.0.6 (MAC:c81fea83e85a)"
    }


def test_no_second_enrolment(night: dict[str, Any]) -> None:
    assert len(night["seen_later"]) == 3
    assert all(each["target"].startswith("/files/") for each in night["seen_later"])


def test_dhcp_knows_the_phone(night: dict[str, Any]) -> None:
    assert " AVX83E85A 01:c8:1f:ea:83:e8:5a" in night["leases"]
    assert "vendor class: ccp.avaya.com" in night["dhcp"]
    assert "DHCPNAK" not in night["dhcp"]


def test_the_clock_follows_sntp(night: dict[str, Any]) -> None:
    days = [line.split(">")[1][:6] for line in night["syslog"]]
    assert days[0] == "Jan  1"
    assert {day for day, line in zip(days, night["syslog"], strict=True) if "CERTMGMT" in line} == {"Jan 15"}
    assert any("CERTMGMT: profile 3: certificate stored" in line for line in night["syslog"])


def test_no_password_and_no_key_is_said(night: dict[str, Any]) -> None:
    said = "\n".join([*night["first"], *night["second"], *night["syslog"]])
    assert "19WZ1234567A" not in said
    assert "PRIVATE" not in said


def test_nothing_else_of_hil_is_loaded(night: dict[str, Any]) -> None:
    modules = set(night["modules"])
    assert "hil.virtual.phone.enrolment" in modules
    assert {name for name in modules if not name.startswith("hil.virtual.phone")} <= {"hil", "hil.virtual"}
