from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = Path(__file__).with_name("proxy_scenario.py")

pytestmark = pytest.mark.skipif(shutil.which("scepserver") is None, reason="scepserver (Debian package scep) is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture(scope="module")
def results(folder: Path, own_network: list[str]) -> dict[str, Any]:
    command = [*own_network, sys.executable, str(SCENARIO), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    played: dict[str, Any] = json.loads(done.stdout)
    return played


def test_it_is_enrolled_with_through_a_proxy_as_if_it_stood_there(results: dict[str, Any], folder: Path) -> None:
    assert (results["first"]["exit_code"], results["second"]["exit_code"]) == (4, 0), results
    assert "503" in results["first"]["said"]["reason"]
    certificate = x509.load_pem_x509_certificate((folder / "proxied" / "client.pem").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((folder / "depot" / "ca.pem").read_bytes()))
    assert (results["refused"]["exit_code"], results["refused"]["said"]["outcome"]) == (1, "rejected")
    assert results["faults"] == []


def test_a_proxy_with_its_key_lets_a_request_wait(results: dict[str, Any]) -> None:
    assert results["waits"] == ["Pending", "Issued"]
    told = [(line["message_type"], line["answer"], line["problem"]) for line in results["ledger"]]
    assert told == [
        ("PKCSReq", None, None),
        ("PKCSReq", "SUCCESS", None),
        ("PKCSReq", "FAILURE", None),
        ("PKCSReq", "PENDING", None),
        ("CertPoll", "SUCCESS", None),
    ]
