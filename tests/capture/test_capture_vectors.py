"""Real clients against real servers, as recorded: each capture reads as its index says and as tshark sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hil.capture.keys import load_key
from hil.capture.transcript import Transcript, read_capture
from hil.capture.tshark import disagreements, read_with_tshark

CAPTURES = {  # capture: (opened requests, opened replies with certificates issued) with the keys beside it
    "jscep_server/scepclient-head": (1, 1),
    "jscep_server/scepclient": (1, 0),
    "jscep_server/sscep_3des_md5": (1, 1),
    "jscep_server/sscep_3des_sha1": (1, 1),
    "jscep_server/sscep_aes128_sha256": (1, 1),
    "jscep_server/sscep_aes256_md5": (1, 1),
    "jscep_server/sscep_aes256_sha1": (1, 1),
    "jscep_server/sscep_aes256_sha512": (1, 1),
    "jscep_server/sscep_badpassword": (1, 0),
    "jscep_server/sscep_des_sha1": (1, 1),
    "jscep_server/sscep_des_sha512": (1, 1),
    "jscep_server/sscep_getcert": (1, 1),
    "jscep_server/sscep_getcrl": (1, 0),
    "jscep_server/sscep_renewal": (1, 1),
    "jscep_server/strongswan_3des_sha256": (1, 1),
    "micromdm21/certmonger": (1, 0),
    "micromdm21/sscep_swan_pyscep": (3, 2),
    "micromdm_head/head": (8, 0),
    "stepca/aes": (5, 1),
}


def read(vectors: Path, name: str) -> tuple[Transcript, list[dict[str, Any]]]:
    path = vectors / "lab" / f"{name}.pcap"
    keys = [load_key(file) for file in path.parent.iterdir() if file.suffix == ".key" or file.name.startswith(("key_", "ca.key"))]
    index = path.with_suffix(".index.json")
    told = json.loads((index if index.exists() else path.parent / "index.json").read_text())
    return read_capture(path, keys=keys), told


def test_all_captures_are_named_here(vectors: Path) -> None:
    lab = vectors / "lab"
    assert {str(path.relative_to(lab).with_suffix("")) for path in lab.glob("*/*.pcap")} == set(CAPTURES)


@pytest.mark.parametrize("name", CAPTURES)
def test_exchanges_are_those_of_the_index(vectors: Path, name: str) -> None:
    transcript, told = read(vectors, name)
    assert transcript.problems == ()
    found = [(one.method, one.operation, one.status, one.content_type) for one in transcript.exchanges]
    expected = [(one["method"], one["op"], int(one["status"].split()[1]), one["resp_type"]) for one in told]
    assert found[: len(expected)] == expected
    extra = [("GET", "PKIOperation", 200, "application/x-pki-message")] if name.endswith("certmonger") else []
    assert found[len(expected) :] == extra  # the index of that capture leaves out the one PKIOperation by GET


@pytest.mark.parametrize("name", CAPTURES)
def test_messages_open_with_the_keys(vectors: Path, name: str) -> None:
    transcript, _ = read(vectors, name)
    asked = [one.request for one in transcript.exchanges if one.request is not None]
    answered = [one.reply for one in transcript.exchanges if one.reply is not None]
    assert sum(message.decrypted for message in asked) == len(asked) == CAPTURES[name][0]
    assert sum(bool(message.issued) for message in answered) == CAPTURES[name][1]
    for message in asked:
        if message.csr is not None:
            assert message.csr.signature_valid
    for one in transcript.exchanges:
        if one.reply is not None and one.reply.issued and one.request is not None and one.request.csr is not None:
            assert one.request.csr.public_key_der in {certificate.public_key_der for certificate in one.reply.issued}
        if one.operation == "GetCACaps":
            assert one.capabilities
        if one.operation == "GetCACert" and one.ca_identifier != "1":
            assert one.certificates


@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_agrees_on_every_exchange(vectors: Path, name: str) -> None:
    transcript, _ = read(vectors, name)
    second = read_with_tshark(vectors / "lab" / f"{name}.pcap")
    assert len(second) >= len(transcript.exchanges)
    assert disagreements(transcript, second) == ()


def test_disagreement_is_seen(vectors: Path) -> None:
    transcript, _ = read(vectors, "jscep_server/sscep_des_sha1")
    second = read_with_tshark(vectors / "lab/jscep_server/sscep_des_sha1.pcap")
    only_tshark, *rest = disagreements(transcript, [*second, second[0]][1:-1])
    assert only_tshark.startswith("only the transcript has Seen(request_frame=4")
    assert rest == []


def test_a_capture_cut_at_any_packet_keeps_what_came_before(vectors: Path, tmp_path: Path) -> None:
    data = (vectors / "lab/jscep_server/sscep_des_sha1.pcap").read_bytes()
    for size in range(0, len(data), 97):
        (tmp_path / "cut.pcap").write_bytes(data[:size])
        transcript = read_capture(tmp_path / "cut.pcap")
        assert len(transcript.exchanges) <= 2
        if transcript.exchanges and transcript.exchanges[-1].reply_frame is None:
            assert transcript.exchanges[-1].problems


def test_a_signature_that_is_bad_is_said_so(vectors: Path) -> None:
    transcript, _ = read(vectors, "micromdm_head/head")
    bad = transcript.exchanges[12]
    assert bad.request is not None
    assert not bad.request.signature_valid
    assert (bad.status, bad.reply, bad.notes) == (500, None, ("HTTP 500: crypto/rsa: verification error",))
