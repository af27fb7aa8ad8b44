"""What a capture holds, read without anything of `hil`: HTTP by tshark, messages by asn1crypto, envelopes by OpenSSL.

What it gives has the form of `hil decode --json --show-secrets`, and of that the part that it knows.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from asn1crypto import cms, core, csr, pem, x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

Json = dict[str, Any]

_MESSAGE_TYPES = {"3": "CertRep", "17": "RenewalReq", "19": "PKCSReq", "20": "CertPoll", "21": "GetCert", "22": "GetCRL"}
_STATUS = {"0": "SUCCESS", "2": "FAILURE", "3": "PENDING"}
_FAIL_INFO = {"0": "badAlg", "1": "badMessageCheck", "2": "badRequest", "3": "badTime", "4": "badCertId"}
_CIPHERS = {"des": "des-cbc", "tripledes_3key": "des-ede3-cbc", "aes128_cbc": "aes-128-cbc", "aes256_cbc": "aes-256-cbc"}
_DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "md5": hashes.MD5(),
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha512": hashes.SHA512(),
}
_VERISIGN = "2.16.840.1.113733.1.9."


@dataclass(frozen=True)
class Key:
    """A private key's file and its public key, by which it is found."""

    file: Path
    public: bytes

    @classmethod
    def of(cls, file: Path) -> Key:
        words = ["openssl", "pkey", "-in", str(file), "-passin", "pass:", "-pubout", "-outform", "DER"]
        return cls(file, _output(*words))


@dataclass(frozen=True)
class _Http:
    frame: int
    reply_frame: int | None
    method: str
    uri: str
    status: int | None
    request: bytes
    reply: bytes


def read(capture: Path, keys: Sequence[Key], authorities: Sequence[bytes]) -> list[Json]:
    """The SCEP exchanges; `authorities` are the certificates (DER) of whoever answers."""
    reader = _Reader(keys, [x509.Certificate.load(der) for der in authorities])
    asked = ((seen, parse_qs(urlsplit(seen.uri).query, keep_blank_values=True)) for seen in _http(capture))
    return [reader.exchange(seen, query) for seen, query in asked if "operation" in query]


class _Reader:
    """Reads exchanges in their order, and remembers the certificates, since a reply is for who signed its request."""

    def __init__(self, keys: Sequence[Key], authorities: Sequence[x509.Certificate]) -> None:
        self._keys = {key.public: key for key in keys}
        self._certificates = {_identity(one.issuer, one.serial_number): one for one in authorities}

    def exchange(self, seen: _Http, query: Mapping[str, list[str]]) -> Json:
        operation, message = query["operation"][0], query.get("message", [None])[0]
        told: Json = {
            "operation": operation,
            "frames": {"request": seen.frame, "reply": seen.reply_frame},
            "http": {"method": seen.method, "path": urlsplit(seen.uri).path, "status": seen.status},
            "ca_identifier": None if operation == "PKIOperation" else message,
            "capabilities": None,
            "certificates": None,
            "request": None,
            "reply": None,
        }
        if operation == "PKIOperation":
            told["request"] = self._message(seen.request if seen.method == "POST" else _from_url(message or ""))
            if seen.status == 200:
                told["reply"] = self._message(seen.reply)
        elif seen.status == 200 and operation == "GetCACaps":
            told["capabilities"] = seen.reply.decode().split()
        elif seen.status == 200:
            told["certificates"] = [_named(one) for one in _certificates(seen.reply)]
        return told

    def _message(self, data: bytes) -> Json:
        signed = cms.ContentInfo.load(data)["content"]
        info = signed["signer_infos"][0]
        attributes = {each["type"].dotted: each["values"][0] for each in info["signed_attrs"]}
        for choice in signed["certificates"]:
            self._certificates[_identity(choice.chosen.issuer, choice.chosen.serial_number)] = choice.chosen
        signer = self._certificate(info["sid"])
        kind = _MESSAGE_TYPES[_text(attributes, "2")]
        content = signed["encap_content_info"]["content"].native or b""
        told: Json = {
            "message_type": kind,
            "transaction_id": _text(attributes, "7"),
            "sender_nonce": _nonce(attributes, "5"),
            "recipient_nonce": _nonce(attributes, "6"),
            "status": _STATUS[_text(attributes, "3")] if kind == "CertRep" else None,
            "fail_info": _FAIL_INFO[_text(attributes, "4")] if _VERISIGN + "4" in attributes else None,
            "digest": info["digest_algorithm"]["algorithm"].native,
            "signature_valid": _verifies(info, attributes, content, signer),
            "signer": _named(signer),
            "content_cipher": None,
            "decrypted": False,
            "csr": None,
            "issued": None,
        }
        if content:
            sealed = cms.ContentInfo.load(content)["content"]
            cipher = sealed["encrypted_content_info"]["content_encryption_algorithm"]["algorithm"].native
            inner = self._opened(content, self._certificate(sealed["recipient_infos"][0].chosen["rid"]))
            told |= {"content_cipher": _CIPHERS[cipher], "decrypted": True}
            if kind in ("PKCSReq", "RenewalReq"):
                told["csr"] = _csr(inner)
            elif kind == "CertRep":
                bag = cms.ContentInfo.load(inner)["content"]["certificates"]
                told["issued"] = [_named(choice.chosen) for choice in bag or ()]
        return told

    def _opened(self, envelope: bytes, recipient: x509.Certificate) -> bytes:
        key = self._keys[recipient.public_key.dump()]
        words = ["-inform", "DER", "-inkey", str(key.file), "-passin", "pass:", "-binary"]
        return _output("openssl", "cms", "-decrypt", "-provider", "legacy", "-provider", "default", *words, data=envelope)

    def _certificate(self, identifier: Any) -> x509.Certificate:
        named = identifier.chosen
        return self._certificates[_identity(named["issuer"], named["serial_number"].native)]


def _identity(issuer: x509.Name, serial: int) -> tuple[bytes, int]:
    return issuer.dump(), serial


def _certificates(body: bytes) -> list[x509.Certificate]:
    """One certificate, or those of a degenerate SignedData, which begins with its type."""
    if core.Sequence.load(body)[0].tag == core.ObjectIdentifier.tag:
        return [choice.chosen for choice in cms.ContentInfo.load(body)["content"]["certificates"]]
    return [x509.Certificate.load(body)]


def der_of(file: Path) -> bytes:
    """The first certificate of a PEM file."""
    _, _, der = pem.unarmor(file.read_bytes())
    return bytes(der)


def _csr(der: bytes) -> Json:
    request = csr.CertificationRequest.load(der)
    info = request["certification_request_info"]
    passwords = [each["values"][0].native for each in info["attributes"] if each["type"].native == "challenge_password"]
    subject = _output("openssl", "req", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253", data=der).decode()
    return {
        "subject": subject.strip().removeprefix("subject="),
        "key_algorithm": "rsa",
        "key_bits": info["subject_pk_info"].bit_size,
        "signature_digest": request["signature_algorithm"].hash_algo,
        "challenge_password": passwords[0] if passwords else "absent",
        "signature_valid": b"verify OK" in _run("openssl", "req", "-inform", "DER", "-noout", "-verify", data=der).stderr,
    }


def _named(certificate: x509.Certificate) -> Json:
    der = certificate.dump()
    subject = _output("openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253", data=der).decode()
    return {"subject": subject.strip().removeprefix("subject="), "serial": f"{certificate.serial_number:x}"}


def _verifies(info: Any, attributes: Mapping[str, Any], content: bytes, signer: x509.Certificate) -> bool:
    digest = _DIGESTS[info["digest_algorithm"]["algorithm"].native]
    hasher = hashes.Hash(digest)
    hasher.update(content)
    if attributes["1.2.840.113549.1.9.4"].native != hasher.finalize():
        return False
    key = load_der_public_key(signer.public_key.dump())
    assert isinstance(key, RSAPublicKey)
    try:
        key.verify(info["signature"].native, info["signed_attrs"].untag().dump(), padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


def _text(attributes: Mapping[str, Any], number: str) -> str:
    return str(attributes[_VERISIGN + number].parse(core.PrintableString).native)


def _nonce(attributes: Mapping[str, Any], number: str) -> str | None:
    found = attributes.get(_VERISIGN + number)
    return None if found is None else found.parse(core.OctetString).native.hex()


def _from_url(message: str) -> bytes:
    return base64.b64decode(message.replace("-", "+").replace("_", "/"))


def _http(capture: Path) -> Iterator[_Http]:
    """Each HTTP request with its reply, in the order of the requests."""
    fields = ("frame.number", "http.request.method", "http.request.uri", "http.response.code", "http.request_in")
    words = [word for field in fields for word in ("-e", field)]
    rows = _tshark(capture, "-T", "fields", "-E", "separator=/t", *words).decode().splitlines()
    layers = [packet["_source"]["layers"] for packet in json.loads(_tshark(capture, "-T", "jsonraw", "-J", "frame http"))]
    bodies = [bytes.fromhex(layer["http"].get("http.file_data_raw", [""])[0]) for layer in layers]
    messages = [(row.split("\t"), body) for row, body in zip(rows, bodies, strict=True)]
    replies = {fields[4]: (int(fields[0]), int(fields[3]), body) for fields, body in messages if fields[3]}
    for (frame, method, uri, code, _), body in messages:
        if not code:
            reply_frame, status, reply = replies.get(frame, (None, None, b""))
            yield _Http(int(frame), reply_frame, method, uri, status, body, reply)


def _tshark(capture: Path, *words: str) -> bytes:
    return _output("tshark", "-r", str(capture), "-Y", "http", *words)


def _output(*words: str, data: bytes | None = None) -> bytes:
    done = _run(*words, data=data)
    if done.returncode:
        raise RuntimeError(f"{words[0]} {words[1]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _run(*words: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, input=data, capture_output=True, timeout=60, check=False)
