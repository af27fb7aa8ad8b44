"""What OpenSSL seals and signs by algorithms that SCEP does not name is read, or named where it cannot be."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil import asn1
from hil.asn1 import Malformed
from hil.scep import cms
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.csr import read_csr
from hil.scep.messages import PkiMessage, read_message
from hil.scep.public_key import read_scheme

Openssl = Callable[..., bytes]
PSS = ("-keyopt", "rsa_padding_mode:pss")


@pytest.fixture(scope="module")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> Openssl:
    """OpenSSL's command in a folder with a self-signed identity, ca.key and ca.pem; gives what it wrote."""
    folder = tmp_path_factory.mktemp("openssl")

    def run(*arguments: str, given: bytes = b"") -> bytes:
        (folder / "given").write_bytes(given)
        command = ["openssl", *arguments]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60).stdout

    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/O=Lab/CN=CA")
    run(*request)
    return run


@pytest.fixture(scope="module")
def ca_key(openssl: Openssl) -> RSAPrivateKey:
    key = load_pem_private_key(openssl("pkey", "-in", "ca.key"), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture(scope="module")
def ca(openssl: Openssl) -> Certificate:
    return read_certificate(openssl("x509", "-in", "ca.pem", "-outform", "der"))


@pytest.fixture(scope="module")
def csr(openssl: Openssl) -> bytes:
    return openssl("req", "-new", "-key", "ca.key", "-subj", "/CN=phone", "-outform", "der")


def sealed(openssl: Openssl, content: bytes, *options: str) -> bytes:
    encrypt = ("cms", "-encrypt", "-binary", "-in", "given", "-outform", "der", *options)
    return openssl(*encrypt, given=content)


def signed(openssl: Openssl, content: bytes, *options: str) -> bytes:
    sign = ("cms", "-sign", "-binary", "-nodetach", "-in", "given", "-outform", "der", "-inkey", "ca.key", "-signer", "ca.pem")
    return openssl(*sign, *options, given=content)


def opened(openssl: Openssl, envelope: bytes, key: RSAPrivateKey) -> PkiMessage:
    return read_message(signed(openssl, envelope), keys=(key,))


@pytest.mark.parametrize(
    "cipher", ["bf-cbc", "cast5-cbc", "rc2-cbc", "seed-cbc", "camellia-128-cbc", "camellia-192-cbc", "camellia-256-cbc"]
)
def test_ciphers_of_old_peers_are_opened(openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes, cipher: str) -> None:
    envelope = sealed(openssl, csr, "-provider", "legacy", "-provider", "default", f"-{cipher}", "ca.pem")
    message = opened(openssl, envelope, ca_key)
    assert (message.content_cipher, message.decrypted, message.content) == (cipher, True, csr)


@pytest.mark.parametrize("cipher", ["rc2-40-cbc", "rc2-64-cbc"])
def test_a_cipher_that_cannot_be_decrypted_is_named(openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes, cipher: str) -> None:
    envelope = sealed(openssl, csr, "-provider", "legacy", "-provider", "default", f"-{cipher}", "ca.pem")
    message = opened(openssl, envelope, ca_key)
    assert (message.content_cipher, message.decrypted) == (cipher, False)
    assert f"content cipher {cipher} cannot be decrypted here" in message.notes
    assert not any("envelope" in problem.lower() for problem in message.problems)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("mask", ["sha1", "sha256"])
def test_oaep_of_any_digest_is_opened(openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes, digest: str, mask: str) -> None:
    options = ("rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{mask}", "rsa_oaep_label:6c6162656c")
    given = [word for option in options for word in ("-keyopt", option)]
    message = opened(openssl, sealed(openssl, csr, "-aes128", "-recip", "ca.pem", *given), ca_key)
    assert (message.key_transport, message.content) == ("rsaesOaep", csr)


@pytest.mark.parametrize("digest", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("extra", [(), ("-keyopt", "rsa_pss_saltlen:7", "-keyopt", "rsa_mgf1_md:sha224")])
def test_pss_signatures_are_verified(openssl: Openssl, ca: Certificate, digest: str, extra: tuple[str, ...]) -> None:
    data = signed(openssl, b"content", "-md", digest, *PSS, *extra)
    message = read_message(data)
    assert (message.digest, message.signature_valid, message.signer) == (digest, True, ca)
    assert not read_message(data[:-1] + bytes((data[-1] ^ 1,))).signature_valid


@pytest.mark.parametrize("digest", ["sha224", "sha512-256", "sha3-256", "sha3-512"])
def test_signatures_over_digests_of_other_families(openssl: Openssl, digest: str) -> None:
    message = read_message(signed(openssl, b"content", "-md", digest))
    assert (message.digest, message.signature_valid) == (digest, True)


def test_the_salt_that_pss_announces_is_held_to(openssl: Openssl) -> None:
    data = signed(openssl, b"content", *PSS, "-keyopt", "rsa_pss_saltlen:7")
    announced = asn1.explicit(2, asn1.integer(7))
    assert data.count(announced) == 1
    assert not read_message(data.replace(announced, asn1.explicit(2, asn1.integer(8)))).signature_valid


@pytest.mark.parametrize("parameter", [asn1.explicit(3, asn1.integer(2)), asn1.explicit(2, asn1.integer(-1))])
def test_pss_by_parameters_that_no_standard_has_verifies_nothing(ca: Certificate, parameter: bytes) -> None:
    scheme = read_scheme(asn1.read(asn1.sequence(asn1.oid("1.2.840.113549.1.1.10"), asn1.sequence(parameter))))
    assert not ca.public_key.verifies(scheme, b"signature", b"data")


def test_certificates_and_csrs_signed_with_pss(openssl: Openssl) -> None:
    subject = ("-subj", "/CN=pss", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-outform", "der")
    assert read_certificate(openssl("req", "-x509", "-key", "ca.key", *subject)).self_signed
    request = read_csr(openssl("req", "-new", "-key", "ca.key", *subject))
    assert (request.signature_digest, request.signature_valid) == ("sha256", True)


@pytest.mark.parametrize(
    ("kind", "algorithm", "bits", "digest"),
    [
        (("rsa-pss", "rsa_keygen_bits:1024"), "rsa", 1024, "sha256"),
        (("ec", "ec_paramgen_curve:P-256"), "ec", 256, "sha256"),
        (("ec", "ec_paramgen_curve:secp521r1"), "ec", 521, "sha256"),
        (("ec", "ec_paramgen_curve:brainpoolP384r1"), "ec", 384, "sha256"),
        (("ed25519", ""), "ed25519", 256, "sha512"),
    ],
)
def test_csrs_of_every_kind_of_key(
    openssl: Openssl, tmp_path: Path, kind: tuple[str, str], algorithm: str, bits: int, digest: str
) -> None:
    name, option = kind
    key = tmp_path / "key.pem"
    key.write_bytes(openssl("genpkey", "-algorithm", name, *(("-pkeyopt", option) if option else ())))
    request = read_csr(openssl("req", "-new", "-key", str(key), "-subj", "/CN=x", "-outform", "der"))
    assert (request.key_algorithm, request.key_bits, request.signature_digest) == (algorithm, bits, digest)
    assert request.signature_valid


def test_a_csr_with_a_dsa_key(openssl: Openssl, tmp_path: Path) -> None:
    parameters, key = tmp_path / "dsa.pem", tmp_path / "key.pem"
    parameters.write_bytes(openssl("dsaparam", "1024"))
    key.write_bytes(openssl("gendsa", str(parameters)))
    request = read_csr(openssl("req", "-new", "-key", str(key), "-sha1", "-subj", "/CN=x", "-outform", "der"))
    assert (request.key_algorithm, request.key_bits, request.signature_digest) == ("dsa", 1024, "sha1")
    assert request.signature_valid


def test_a_signer_named_by_its_key(openssl: Openssl, tmp_path: Path, ca: Certificate) -> None:
    message = read_message(signed(openssl, b"content", "-keyid"))
    assert (message.signature_valid, message.signer) == (True, ca)
    # and where the certificate does not say its key's identifier
    bare, config = tmp_path / "bare.pem", tmp_path / "bare.cnf"
    config.write_text("[req]\ndistinguished_name=name\n[name]\n")
    bare.write_bytes(openssl("req", "-x509", "-key", "ca.key", "-subj", "/CN=bare", "-config", str(config)))
    without = read_certificate(openssl("x509", "-in", str(bare), "-outform", "der"))
    assert without.key_identifier is None
    data = signed(openssl, b"content", "-keyid", "-nocerts")
    assert read_message(data, certificates=(without,)).signer == without


def test_of_several_signatures_the_one_with_scep_attributes_is_read(
    openssl: Openssl, request_of: Callable[..., bytes], signer: Certificate
) -> None:
    data = request_of()
    resigned = openssl(
        "cms", "-resign", "-binary", "-nodetach", "-inform", "der", "-in", "given", "-signer", "ca.pem", "-inkey", "ca.key",
        "-outform", "der", given=data,
    )  # fmt: skip
    message = read_message(resigned)
    assert (message.transaction_id, message.signer, message.signature_valid) == ("1D6FFBE8B6EF", signer, True)
    assert message.problems == ("2 signatures; the first with a messageType is read",)


@pytest.mark.parametrize(
    ("options", "note"),
    [
        (("-pwri_password", "swordfish"), "a recipient by password"),
        (("-secretkey", "00" * 16, "-secretkeyid", "01"), "a recipient by a shared key"),
    ],
)
def test_recipients_by_other_means_are_told(
    openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes, options: tuple[str, ...], note: str
) -> None:
    message = opened(openssl, sealed(openssl, csr, "-aes128", *options), ca_key)
    assert (message.content_cipher, message.decrypted) == ("aes-128-cbc", False)
    assert note in message.notes
    assert not any("recipients" in remark for remark in message.notes)


def test_a_recipient_named_by_its_key_and_one_of_two(openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "other.key", "-out", str(other), "-subj", "/CN=other")
    assert opened(openssl, sealed(openssl, csr, "-aes128", "-keyid", "ca.pem"), ca_key).content == csr
    message = opened(openssl, sealed(openssl, csr, "-aes128", str(other), "ca.pem"), ca_key)
    assert message.content == csr
    assert "2 recipients" in message.notes


def test_why_an_envelope_stays_closed(
    openssl: Openssl, ca: Certificate, ca_key: RSAPrivateKey, other_key: RSAPrivateKey, csr: bytes
) -> None:
    envelope = sealed(openssl, csr, "-aes128", "ca.pem")
    without = signed(openssl, envelope, "-nocerts")
    for data, certificates, notes in (
        (without, (), f"sealed for the certificate {ca.serial:x} of CN=CA,O=Lab; none of the keys given opens it"),
        (without, (ca,), "sealed for CN=CA,O=Lab, whose key is not given"),
        (signed(openssl, envelope), (), "sealed for CN=CA,O=Lab, whose key is not given"),
    ):
        message = read_message(data, keys=(other_key,), certificates=certificates)
        assert notes in message.notes
        assert not any("opens" in problem or "open" in problem for problem in message.problems)
        assert not any("sealed for" in note for note in read_message(data).notes)
    spoilt = read_message(signed(openssl, sealed(openssl, b"nothing that SCEP encloses", "-aes128", "ca.pem")), keys=(ca_key,))
    assert "the key of CN=CA,O=Lab, its recipient, does not open the pkcsPKIEnvelope" in spoilt.problems


def test_a_recipient_without_a_name_is_told_too(openssl: Openssl, ca: Certificate, ca_key: RSAPrivateKey, csr: bytes) -> None:
    serial = asn1.integer(ca.serial)

    def nameless(content: bytes) -> PkiMessage:
        envelope = sealed(openssl, content, "-aes128", "ca.pem")
        return opened(openssl, envelope.replace(serial, b"\x04" + serial[1:]), ca_key)

    assert nameless(csr).csr is not None  # a key opens it whoever is named
    note = "sealed for a recipient whose name cannot be read; none of the keys given opens it"
    assert note in nameless(b"nothing that SCEP encloses").notes


def test_octets_after_the_content_are_noted(openssl: Openssl, ca_key: RSAPrivateKey, csr: bytes) -> None:
    message = opened(openssl, sealed(openssl, csr + b"\0\n", "-aes128", "ca.pem"), ca_key)
    assert message.csr is not None
    assert "2 octets after the content of the pkcsPKIEnvelope" in message.notes


def test_an_extension_that_cannot_be_read_does_not_hide_the_key(openssl: Openssl, tmp_path: Path) -> None:
    extensions = ("-addext", "2.5.29.15=DER:0300", "-addext", "2.5.29.14=DER:04", "-addext", "subjectAltName=DNS:x")
    odd = tmp_path / "odd.pem"
    odd.write_bytes(openssl("req", "-x509", "-key", "ca.key", "-subj", "/CN=odd", *extensions))
    read = read_certificate(openssl("x509", "-in", str(odd), "-outform", "der"))
    assert read.self_signed
    assert read.key_usage is None
    assert [oddity.partition(":")[0] for oddity in read.oddities] == ["keyUsage cannot be read"]


def test_an_envelope_alone_is_called_by_its_name(openssl: Openssl, csr: bytes) -> None:
    with pytest.raises(Malformed, match="EnvelopedData where SignedData should stand"):
        read_message(sealed(openssl, csr, "-aes128", "ca.pem"))
    with pytest.raises(Malformed, match=r"content of type 1\.2\.3 where SignedData should stand"):
        cms.read_signed_data(asn1.read(asn1.sequence(asn1.oid("1.2.3"), asn1.explicit(0, asn1.null()))))


def test_numbers_without_end_are_malformed() -> None:
    endless = asn1.tlv(asn1.INTEGER, b"\x01" * 5000)
    with pytest.raises(Malformed, match="INTEGER of 5000 octets"):
        asn1.read(endless).small()
