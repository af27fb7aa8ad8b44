"""A real CA over https: verified or not asked at all, and its leg readable by who has the key log."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from proxied import CSR, KEY, QUERY, Server, a_request, by_endpoint, response, tls_server, url

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName
from hil.scep import signers
from hil.scep.ca import Authority, CaService
from hil.scep.client import Client, Issued
from hil.scep.endpoint import Endpoint
from hil.scep.http import Transport
from hil.services.lab import Lab
from hil.services.upstream import Upstream

SCENARIO = Path(__file__).with_name("tls_leg_scenario.py")


def ca(authority: Authority, tls: ssl.SSLContext) -> Server:
    service = CaService(authority, signers.issue(authority), clock=ScaledClock())
    return Server(by_endpoint(Endpoint(service)), tls=tls)


def test_a_phone_enrols_by_http_with_a_ca_that_takes_https_alone(lab: Lab, authority: Authority, tmp_path: Path) -> None:
    tls, trust = tls_server(tmp_path, "127.0.0.1")
    with ca(authority, tls) as server, Transport(url(lab)) as transport:
        lab.forward("j179-1", 1, Upstream(server.url, trust))
        assert isinstance(Client(transport).enrol(CSR, KEY), Issued)
    log = tmp_path / "lab" / "proxy" / "j179-1-1" / "tls-keys.log"
    assert log.stat().st_mode & 0o777 == 0o600
    assert "CLIENT_TRAFFIC_SECRET_0 " in log.read_text()


def test_without_a_file_the_system_says_whom_to_trust(
    lab: Lab, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, trust = tls_server(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(trust))
    with ca(authority, tls) as server, Transport(url(lab)) as transport:
        lab.forward("j179-1", 1, Upstream(server.url))
        assert isinstance(Client(transport).enrol(CSR, KEY), Issued)


def assert_not_asked(lab: Lab, authority: Authority, server: Server, reason: str) -> None:
    for operation in ("GetCACaps", "PKIOperation"):
        answer = httpx.post(f"{url(lab)}?operation={operation}", content=a_request(authority))
        assert (answer.status_code, answer.text) == (502, "the CA cannot be asked\n")
    faults = [event for event in lab.events.since() if event.name is EventName.FAULT]
    assert [(event.device, event.slot) for event in faults] == [("j179-1", 1)] * 2
    assert all(reason in str(event.details["text"]) for event in faults)
    assert server.asked == [], "nothing is said to who is not known"


def test_a_server_of_another_name_is_not_asked(lab: Lab, authority: Authority, tmp_path: Path) -> None:
    tls, trust = tls_server(tmp_path, "ca.example.com")
    with ca(authority, tls) as server:
        lab.forward("j179-1", 1, Upstream(server.url, trust))
        assert_not_asked(lab, authority, server, "IP address mismatch")


def test_a_server_that_nobody_vouches_for_is_not_asked(lab: Lab, authority: Authority, tmp_path: Path) -> None:
    tls, _ = tls_server(tmp_path, "127.0.0.1")
    with ca(authority, tls) as server:
        lab.forward("j179-1", 1, Upstream(server.url))
        assert_not_asked(lab, authority, server, "unable to get local issuer certificate")


def test_a_server_that_somebody_else_vouches_for_is_not_asked(lab: Lab, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    tls, _ = tls_server(tmp_path / "one", "127.0.0.1")
    _, trust = tls_server(tmp_path / "other", "127.0.0.1")
    with ca(authority, tls) as server:
        lab.forward("j179-1", 1, Upstream(server.url, trust))
        assert_not_asked(lab, authority, server, "certificate verify failed")


def test_a_server_without_tls_is_not_asked_by_https(lab: Lab, authority: Authority) -> None:
    with Server(lambda _: response(b"")) as server:
        lab.forward("j179-1", 1, Upstream(server.url.replace("http:", "https:")))
        answer = httpx.post(url(lab) + QUERY, content=a_request(authority))
    assert answer.status_code == 502
    assert any(event.name is EventName.FAULT for event in lab.events.since())


def test_a_server_that_takes_no_part_in_the_handshake_is_too_slow(lab: Lab, authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        lab.forward("j179-1", 1, Upstream(f"https://127.0.0.1:{silent.getsockname()[1]}/scep", connect=0.3))
        answer = httpx.post(url(lab) + QUERY, content=a_request(authority))
    assert (answer.status_code, answer.text) == (504, "the CA is too slow\n")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_trust_that_cannot_be_read_is_refused(lab: Lab, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "trust.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misuse, match=r"trust.pem: trust: cannot be read .*; name a PEM file of certificates"):
        lab.forward("j179-1", 1, Upstream("https://127.0.0.1/scep", file))


@pytest.mark.skipif(
    shutil.which("tshark") is None or shutil.which("dumpcap") is None, reason="tshark or dumpcap is not installed"
)
def test_tshark_reads_the_upstream_leg_with_the_key_log(own_network: list[str], tmp_path: Path) -> None:
    command = [*own_network, sys.executable, "-W", "error", str(SCENARIO), str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    operations = [("GET", "GetCACaps"), ("GET", "GetCACert"), ("POST", "PKIOperation")]
    assert [(line.split("\t")[0], line.split("operation=")[1].split("&")[0]) for line in told["with the key log"]] == operations
    assert told["without"] == []
