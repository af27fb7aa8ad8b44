"""Every recorded third-party message is read as its manifest says."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil import asn1
from hil.asn1 import Malformed
from hil.scep import algorithms, cms
from hil.scep.envelope import read_envelope
from hil.scep.messages import (
    FailInfo,
    MessageType,
    PkiStatus,
    read_capabilities,
    read_certificates,
    read_csr,
    read_message,
)

NOT_MESSAGES = {
    "third-party/jscep/scep_req0.der",  # a bare CSR
    "third-party/jscep/scep_req1.der",  # a bare EnvelopedData
    "third-party/jscep/scep_resp0.der",  # a degenerate SignedData
    "third-party/jscep/scep_resp1.der",  # a bare EnvelopedData
    "lab/micromdm_head/m_13_rep.der",  # the text of an HTTP 500
}
WITHOUT_KEY = {
    "third-party/commandment/mdmclient-PKIOperation.der",
    "third-party/smallstep_scep/CertRep.der",
    "third-party/smallstep_scep/testca2/CertRep_NoCertificatesForSigners.der",
    "third-party/jscep/scep_req2.der",
    "third-party/jscep/scep_resp2.der",
    "lab/micromdm_head/m_07_rep.der",
    "lab/micromdm_head/m_10_rep.der",
    "lab/micromdm_head/m_18_rep.der",
    "lab/micromdm_head/m_26_rep.der",
    "lab/micromdm21/sscep_swan_pyscep_07_rep.der",
    "lab/jscep_server/scepclient_03_rep.der",
    "lab/stepca/aes_05_rep.der",
    "lab/stepca/aes_08_rep.der",
}
CIPHERS = {"aes128-cbc": "aes-128-cbc", "aes192-cbc": "aes-192-cbc", "aes256-cbc": "aes-256-cbc"}


def load_key(path: Path) -> RSAPrivateKey:
    data = path.read_bytes()
    if b"ENCRYPTED" in data:
        command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:"]
        data = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    if b"-----BEGIN" in data:
        key = serialization.load_pem_private_key(data, None)
    else:
        key = serialization.load_der_private_key(data, None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture(scope="module")
def manifest(vectors: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((vectors / "manifest.json").read_text())
    assert len(entries) == 73
    return entries


@pytest.fixture(scope="module")
def messages(manifest: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in manifest if entry["file"] not in NOT_MESSAGES]


def test_open_parts_are_read_as_the_manifest_says(vectors: Path, messages: list[dict[str, Any]]) -> None:
    for entry in messages:
        message = read_message((vectors / entry["file"]).read_bytes())
        attributes = {name: value for name, (_, value) in entry["attrs"].items()}
        where = entry["file"]
        assert message.message_type is MessageType(int(attributes["messageType"])), where
        assert message.transaction_id == attributes["transactionID"], where
        assert (message.sender_nonce and message.sender_nonce.hex()) == attributes.get("senderNonce"), where
        assert (message.recipient_nonce and message.recipient_nonce.hex()) == attributes.get("recipientNonce"), where
        expected_status = PkiStatus(int(attributes["pkiStatus"])) if "pkiStatus" in attributes else None
        assert message.status is expected_status, where
        expected_fail = FailInfo(int(attributes["failInfo"])) if "failInfo" in attributes else None
        assert message.fail_info is expected_fail, where
        assert message.digest == entry["si_digest"], where
        assert len(message.certificates) == entry["n_certs"], where
        envelope = entry.get("envelope")
        if envelope is None:
            assert (message.content_cipher, message.key_transport) == (None, None), where
        else:
            assert message.content_cipher == CIPHERS.get(envelope["contentEncAlg"], envelope["contentEncAlg"]), where
            assert message.key_transport == envelope["keyEncAlg"], where
        assert not message.decrypted, where


def test_signatures_are_judged_as_openssl_does(vectors: Path, messages: list[dict[str, Any]]) -> None:
    # OpenSSL calls a reply without any content unverifiable; its signature is nevertheless right.
    contentless = {"lab/jscep_server/sscep_badpassword_02_rep.der"}
    for entry in messages:
        message = read_message((vectors / entry["file"]).read_bytes())
        assert message.signature_valid is (entry["openssl_cms_verify"] or entry["file"] in contentless), entry["file"]


def test_digests_attributes_and_structure_agree_with_the_manifest(vectors: Path, messages: list[dict[str, Any]]) -> None:
    for entry in messages:
        data = (vectors / entry["file"]).read_bytes()
        signed = cms.read_signed_data(asn1.read(data))
        (signer,) = signed.signers
        assert signer.attributes is not None
        order = [asn1.Fields(attribute).take(asn1.OID).oid() for attribute in signer.attributes.children]
        assert len(order) == len(entry["attr_order"]), entry["file"]
        assert order.index(cms.MESSAGE_DIGEST) == entry["attr_order"].index("messageDigest"), entry["file"]
        digest = algorithms.digest_of(entry["si_digest"], signed.content or b"")
        assert (digest.hex() == entry["attrs"]["messageDigest"][1]) is entry["messageDigest_ok"], entry["file"]
        assert len(signer.signature) * 8 == entry["sigBits"], entry["file"]
        assert (None if signed.content is None else len(signed.content)) == entry.get("eContentLen"), entry["file"]
        if "envelope" in entry:
            envelope = read_envelope(asn1.read(signed.content or b""))
            assert len(envelope.recipients) == entry["envelope"]["n_recipients"], entry["file"]
            assert len(envelope.encrypted) == entry["envelope"]["encLen"], entry["file"]
            assert len(envelope.recipients[0].encrypted_key) * 8 == entry["envelope"]["encKeyBits"], entry["file"]


def test_every_message_decrypts_whose_key_is_recorded(vectors: Path, messages: list[dict[str, Any]]) -> None:
    keys = [load_key(path) for path in sorted(vectors.rglob("*key*"))]
    closed = set()
    for entry in messages:
        message = read_message((vectors / entry["file"]).read_bytes(), keys=keys)
        if "envelope" not in entry:
            continue
        if not message.decrypted:
            closed.add(entry["file"])
        elif message.message_type in (MessageType.PKCSReq, MessageType.RenewalReq):
            assert message.csr is not None, entry["file"]
            assert message.csr.signature_valid, entry["file"]
        elif message.status is PkiStatus.SUCCESS and "getcrl" not in entry["file"]:
            assert message.issued, entry["file"]
    assert closed == WITHOUT_KEY


def test_a_missing_signer_certificate_is_taken_from_outside(vectors: Path) -> None:
    folder = vectors / "third-party" / "smallstep_scep" / "testca2"
    data = (folder / "CertRep_NoCertificatesForSigners.der").read_bytes()
    pem = (folder / "ca2.pem").read_text()
    der = subprocess.run(["openssl", "x509", "-outform", "der"], input=pem.encode(), capture_output=True, check=True, timeout=30)
    alone = read_message(data)
    assert not alone.signature_valid
    assert "no certificate for the signer" in alone.problems
    helped = read_message(data, certificates=read_certificates(der.stdout))
    assert helped.signature_valid
    assert helped.signer is not None
    assert any("not in the message" in note for note in helped.notes)


def test_the_bad_signature_is_seen(vectors: Path) -> None:
    message = read_message((vectors / "lab/micromdm_head/m_13_req.der").read_bytes())
    assert not message.signature_valid
    assert "the signature does not verify" in message.problems


def test_what_is_no_pki_message_is_malformed_but_its_parts_are_read(vectors: Path, manifest: list[dict[str, Any]]) -> None:
    assert {entry["file"] for entry in manifest} >= NOT_MESSAGES
    for name in NOT_MESSAGES:
        with pytest.raises(Malformed):
            read_message((vectors / name).read_bytes())
    folder = vectors / "third-party" / "jscep"
    assert read_csr((folder / "scep_req0.der").read_bytes()).signature_valid
    assert len(read_certificates((folder / "scep_resp0.der").read_bytes())) == 1
    for name in ("scep_req1.der", "scep_resp1.der"):
        envelope = read_envelope(asn1.read((folder / name).read_bytes()))
        assert envelope.content_cipher == "aes-128-cbc"


def test_recorded_ca_answers_are_read(vectors: Path) -> None:
    for path in sorted(vectors.rglob("*_GetCACert.der")):
        certificates = read_certificates(path.read_bytes())
        assert certificates[0].is_ca, path.name
        assert len(certificates) == (2 if path.parent.name == "stepca" else 1), path.name
    for path in sorted(vectors.rglob("*_GetCACaps.txt")):
        assert {"SCEPStandard", "POSTPKIOperation", "SHA-256"} <= set(read_capabilities(path.read_bytes())), path.name


def test_mutations_of_recorded_messages_are_read_or_malformed(vectors: Path) -> None:
    originals = [path.read_bytes() for path in sorted(vectors.rglob("*.der")) if path.stat().st_size < 6000]
    key = load_key(vectors / "lab" / "jscep_server" / "ca.key.pem")
    dice = random.Random(8894)
    malformed = 0
    for _ in range(3000):
        octets = bytearray(dice.choice(originals))
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(octets))
            match dice.randrange(4):
                case 0 | 1:
                    octets[at] = dice.choice((dice.randrange(256), 0x80, 0x30, 0x00, octets[at] ^ 1))
                case 2:
                    del octets[at : at + dice.randint(1, 4)]
                case 3:
                    octets[at:at] = dice.randbytes(dice.randint(1, 4))
        try:
            read_message(bytes(octets), keys=(key,))
        except Malformed:
            malformed += 1
    assert 0 < malformed < 3000
