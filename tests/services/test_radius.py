from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.services.radius.eap import EapTlsPeer
from hil.services.radius.log import Conversation, ServerLog

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = Path(__file__).with_name("radius_scenario.py")
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"

needs_hostapd = pytest.mark.skipif(
    not all(shutil.which(program, path=PATH) for program in ("hostapd", "eapol_test")), reason="hostapd or eapol_test is missing"
)


def play(network: list[str], name: str) -> dict[str, Any]:
    command = [*network, sys.executable, "-W", "error", str(SCENARIO), name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": PATH}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@needs_hostapd
def test_only_a_certificate_of_the_bench_ca_is_let_through_and_each_one_is_told(each_network: list[str]) -> None:
    seen = play(each_network, "certificates")
    good, stranger, reference = seen["events"]
    assert seen["let_through"] == [True, False, True], "small keys, SHA-1 and dates are not the server's to judge"
    assert [event["name"] for event in seen["events"]] == ["tls handshake"] * 3
    assert [event["device"] for event in seen["events"]] == ["j179-1", "j179-1", "j179-1.reference"]
    told = good["details"]
    assert told | {"switch": None} == {
        "service": "8021X",
        "switch": None,
        "mac": "c8:1f:ea:83:e8:5a",
        "identity": "c81fea83e85a",
        "serial": seen["serial"],
        "subject": "CN=19WZ1234567A,C=US",
        "issuer": "CN=Lab CA,O=J100 bench",
    }
    assert stranger["details"]["issuer"] == "CN=Stranger CA,O=J100 bench"
    assert stranger["details"]["failure"] == "unable to get local issuer certificate"
    assert stranger["details"]["alert"] == "bench: unknown ca"
    assert "failure" not in reference["details"]


@needs_hostapd
def test_a_switch_with_another_secret_gets_no_answer_and_is_told(own_network: list[str]) -> None:
    seen = play(own_network, "wrong_secret")
    assert not seen["let_through"]
    assert seen["event"]["details"]["reason"].endswith("Authenticator from 127.0.0.9")


@needs_hostapd
def test_a_server_that_dies_is_a_fault(own_network: list[str]) -> None:
    assert "hostapd ended" in play(own_network, "killed")["event"]["details"]["text"]


@needs_hostapd
def test_the_secret_is_in_a_file_of_the_owner_alone(own_network: list[str]) -> None:
    seen = play(own_network, "files")
    assert set(seen["modes"].values()) == {"600"}
    assert seen["secret_in"] == ["clients"]


def certificate_message(certificate: bytes) -> bytes:
    """The TLS record of a Certificate message with one certificate (RFC 5246 section 7.4.2)."""
    chain = len(certificate).to_bytes(3, "big") + certificate
    body = len(chain).to_bytes(3, "big") + chain
    message = b"\x0b" + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


def fragments(flight: bytes, size: int) -> list[bytes]:
    """EAP-TLS responses (RFC 5216 section 3.1) that carry `flight`, the first one with its length."""
    pieces = [flight[at : at + size] for at in range(0, len(flight), size)]
    packets = []
    for number, piece in enumerate(pieces):
        flags = (0x80 if number == 0 else 0) | (0x40 if number < len(pieces) - 1 else 0)
        body = bytes([13, flags]) + (len(flight).to_bytes(4, "big") if number == 0 else b"") + piece
        packets.append(bytes([2, number]) + (4 + len(body)).to_bytes(2, "big") + body)
    return packets


@pytest.mark.parametrize("size", [7, 100, 4000])
def test_a_certificate_is_read_from_fragments_of_any_size(size: int) -> None:
    peer = EapTlsPeer()
    peer.take(bytes.fromhex("02 01 0005 01"))  # an identity
    for packet in fragments(certificate_message(b"\x30" * 700), size):
        assert peer.certificate is None
        peer.take(packet)
    assert peer.speaks_tls
    assert peer.certificate == b"\x30" * 700


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x02\x01\x00\x06\x0d",
        b"\x02\x01\x00\x06\x0d\x80",
        *fragments(certificate_message(b"\x30" * 9)[:-1], 99),
        *fragments(b"\x16\x03\x03\xff\xff\x0b\xff\xff\xff", 99),
        *fragments(b"\x14\x03\x03\x00\x01\x01" + certificate_message(b"\x30"), 99),
    ],
)
def test_what_is_no_whole_certificate_shows_none(packet: bytes) -> None:
    peer = EapTlsPeer()
    peer.take(packet)
    assert peer.certificate is None


def test_a_peer_that_never_ends_its_flight_is_not_kept() -> None:
    peer = EapTlsPeer()
    for _ in range(2000):
        peer.take(bytes([2, 1, 0, 106, 13, 0x40]) + b"\x16" * 100)
    assert len(peer._flight) <= 65_536


def test_conversations_that_cross_are_told_apart() -> None:
    over: list[Conversation] = []
    log = ServerLog(over.append, lambda reason: pytest.fail(reason))
    for line in (
        "RADIUS SRV: Received 138 bytes from 192.0.2.2:1000",
        "RADIUS SRV: Calling-Station-Id: c8:1f:ea:00:00:01",
        "RADIUS SRV: New session 0x0 initialized",
        "RADIUS SRV: [0x0 192.0.2.2] EAP: EAP-Response/Identity 'one'",
        "RADIUS SRV: Received 138 bytes from 192.0.2.2:1001",
        "RADIUS SRV: Calling-Station-Id: c8:1f:ea:00:00:02",
        "RADIUS SRV: New session 0x1 initialized",
        "RADIUS SRV: [0x1 192.0.2.2] EAP: EAP-Response/Identity 'two'",
        "RADIUS SRV: Received 138 bytes from 192.0.2.2:1000",
        "RADIUS SRV: Request for session 0x0",
        "authsrv: remote TLS alert: bad certificate",
        "RADIUS SRV: [0x0 192.0.2.2] EAP authentication failed",
        "RADIUS SRV: Timing out authentication session 0x1",
    ):
        log.take(f"{line}\n")
    first, second = over
    assert (first.mac, first.identity, first.failure) == ("c8:1f:ea:00:00:01", "one", "client: bad certificate")
    assert (second.mac, second.identity, second.failure) == ("c8:1f:ea:00:00:02", "two", "took too long")
