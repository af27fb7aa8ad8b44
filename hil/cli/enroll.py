"""`hil enroll`: the reference's SCEP client on its own, against any SCEP server."""

from __future__ import annotations

import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hil.errors import LabFault, Misuse
from hil.reference.device import digest_for
from hil.reference.store import write_private
from hil.scep.authority import to_pem
from hil.scep.certificate import Certificate
from hil.scep.client import Client, Issued, Outcome, Pending, Rejected
from hil.scep.csr import build_csr
from hil.scep.http import Transport
from hil.secret import Secret
from hil.settings.rules import NotADn, read_dn

REJECTED, PENDING, NO_ANSWER = 1, 3, 4
KEY_FILE, CERTIFICATE_FILE, CHAIN_FILE = "client.key", "client.pem", "chain.pem"


class CipherName(StrEnum):
    """Content encryption of the request."""

    DES = "des"
    DES3 = "3des"
    AES128 = "aes128"
    AES256 = "aes256"


class DigestName(StrEnum):
    """Digest of the request and of the CSR's signature."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


_CIPHERS = {
    CipherName.DES: "des-cbc",
    CipherName.DES3: "des-ede3-cbc",
    CipherName.AES128: "aes-128-cbc",
    CipherName.AES256: "aes-256-cbc",
}


def enroll(
    url: Annotated[str, typer.Argument(metavar="URL", help="The SCEP server's URL, without a query.")],
    cn: Annotated[str, typer.Option("--cn", help="Common name; stands last in the subject.")],
    dn: Annotated[str, typer.Option(help="The rest of the subject, for example /C=US/O=Company.")] = "",
    key_length: Annotated[int, typer.Option(min=1024, max=8192, help="Bits of the new RSA key.")] = 2048,
    challenge_env: Annotated[str | None, typer.Option(metavar="NAME", help="Variable that holds the challenge password.")] = None,
    challenge_file: Annotated[Path | None, typer.Option(metavar="FILE", help="File of mode 600 that holds it.")] = None,
    identifier: Annotated[str, typer.Option(help="CA identifier.")] = "CAIdentifier",
    cipher: Annotated[CipherName | None, typer.Option(help="Best that the server offers, if not given.")] = None,
    digest: Annotated[DigestName | None, typer.Option(help="SHA-256 if the server offers it, if not given.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where key and certificates go, in files of mode 600.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Enrol with a SCEP server. Exit status: 0 issued, 1 rejected, 2 misuse, 3 pending, 4 no answer that can be used."""
    subject = (*_read_dn(dn), ("CN", cn))
    challenge = _challenge(challenge_env, challenge_file)
    _check_free(out)
    try:
        with Transport(url) as transport:
            client = Client(transport)
            server = client.discover(identifier)
            chosen = digest.value if digest else digest_for(server)
            key = rsa.generate_private_key(65537, key_length)
            csr = build_csr(key, subject, challenge_password=challenge, digest=chosen)
            outcome = client.enrol(csr, key, server=server, cipher=_CIPHERS[cipher] if cipher else None, digest=chosen)
    except LabFault as fault:
        _say({"outcome": "no answer", "reason": str(fault)}, as_json)
        raise typer.Exit(NO_ANSWER) from fault
    if isinstance(outcome, Issued):
        _write(out, key, outcome.certificate, outcome.chain or server.certificates)
    _say(_facts(outcome, out), as_json)
    raise typer.Exit(PENDING if isinstance(outcome, Pending) else REJECTED if isinstance(outcome, Rejected) else 0)


def _read_dn(dn: str) -> tuple[tuple[str, str], ...]:
    try:
        return read_dn(dn)
    except NotADn as error:
        raise Misuse(str(error), key="--dn", remedy="for example /C=US/O=Company") from error


def _challenge(variable: str | None, file: Path | None) -> Secret | None:
    """The challenge password from the one place that was named, None where none was."""
    if variable is not None and file is not None:
        raise Misuse("two places for one password", key="--challenge-env", remedy="name a variable or a file, not both")
    if variable is not None:
        text = os.environ.get(variable)
        if not text:
            raise Misuse(f"the variable {variable} is not set", key="--challenge-env", remedy="export it")
        return Secret(text)
    if file is None:
        return None
    try:
        open_to_others = file.stat().st_mode & 0o077
        text = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot be read ({error})", file=file, key="--challenge-file", remedy="the path of a text file") from error
    if open_to_others:
        raise Misuse("others may read it", file=file, key="--challenge-file", remedy=f"chmod 600 {file}")
    return Secret(text)


def _check_free(folder: Path) -> None:
    """Refuse to overwrite a key before anything is asked for."""
    for name in (KEY_FILE, CERTIFICATE_FILE, CHAIN_FILE):
        if (folder / name).exists():
            raise Misuse("is there already", file=folder / name, key="--out", remedy="name another folder, or move it away")


def _write(folder: Path, key: RSAPrivateKey, certificate: Certificate, chain: tuple[Certificate, ...]) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / KEY_FILE, pem)
        write_private(folder / CERTIFICATE_FILE, to_pem(certificate))
        write_private(folder / CHAIN_FILE, b"".join(map(to_pem, chain)))
    except OSError as error:
        raise Misuse(f"cannot be written ({error})", file=folder, key="--out", remedy="name a folder of your own") from error


def _facts(outcome: Outcome, folder: Path) -> dict[str, object]:
    match outcome:
        case Issued(certificate=certificate):
            return {
                "outcome": "issued",
                "transaction_id": outcome.transaction_id,
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "serial": f"{certificate.serial:x}",
                "not_before": certificate.not_before.isoformat(),
                "not_after": certificate.not_after.isoformat(),
                "key": str(folder / KEY_FILE),
                "certificate": str(folder / CERTIFICATE_FILE),
                "chain": str(folder / CHAIN_FILE),
            }
        case Rejected(fail_info=fail_info, text=text):
            name = fail_info.name if fail_info is not None else None
            return {"outcome": "rejected", "transaction_id": outcome.transaction_id, "fail_info": name, "text": text}
        case Pending():
            return {"outcome": "pending", "transaction_id": outcome.transaction_id}


def _say(facts: dict[str, object], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(facts, indent=1))
    else:
        typer.echo("\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items() if value is not None))
