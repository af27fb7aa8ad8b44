"""The bench's own clients: the command `hil enroll`, and `hil.scep.client.Client`, which can do more than it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_pem_x509_certificate
from interop_cells import CIPHERS, ENROL, GET_CERT, GET_CRL, NEEDS_A_CERTIFICATE, RENEW
from interop_peers import Ran
from interop_seats import PYTHON, Seat, run, said

from hil.errors import LabFault
from hil.scep.authority import to_pem
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.client import Client, Issued, Pending, Rejected
from hil.scep.crl import Crl
from hil.scep.csr import build_csr
from hil.scep.http import Transport
from hil.secret import Secret

MOST_POLLS = 3


class HilEnroll:
    """The command, as a user gives it."""

    name = "hil enroll"

    def ask(self, seat: Seat, folder: Path, password: str, _operation: str) -> Ran:
        secret, out = folder / "password", folder / "out"
        secret.write_text(password)
        secret.chmod(0o600)
        words: list[str | Path] = ["--cn", seat.common_name, "--dn", "/C=US/O=Lab", "--challenge-file", secret, "--out", out]
        done = run(PYTHON, "-m", "hil.cli", "enroll", seat.url, *words)
        return Ran(done.returncode, said(done), out / "client.pem", out / "client.key")


class HilClient:
    """The client itself. An operation that is a cipher is an enrolment with it."""

    name = "hil client"

    def __init__(self, key_bits: int = 2048) -> None:
        self._keys = [rsa.generate_private_key(65537, key_bits) for _ in range(2)]

    def ask(self, seat: Seat, folder: Path, password: str, operation: str) -> Ran:
        got, key = folder / f"{operation}.got", folder / f"{operation}.key"
        try:
            with Transport(seat.url) as transport:
                found = self._ask(Client(transport), seat, folder, password, operation, key)
        except LabFault as fault:
            return Ran(1, str(fault), got, key)
        if isinstance(found, Certificate):
            got.write_bytes(to_pem(found))
        elif isinstance(found, Crl):
            got.write_bytes(found.der)
        return Ran(0 if got.exists() else 1, repr(found), got, key)

    def _ask(
        self, client: Client, seat: Seat, folder: Path, password: str, operation: str, key_file: Path
    ) -> Certificate | Crl | Rejected | Pending:
        identifier = seat.identifier or ""
        key = self._keys[operation == RENEW]
        _write_key(key_file, key)
        if operation in NEEDS_A_CERTIFICATE:
            pem = load_pem_x509_certificate((folder / f"{ENROL}.got").read_bytes())
            holder = (read_certificate(pem.public_bytes(Encoding.DER)), self._keys[0])
        if operation == GET_CERT:
            return client.get_cert(holder[0].issuer_and_serial, holder, client.discover(identifier))
        if operation == GET_CRL:
            seat.revoke(holder[0].issuer_and_serial)
            return client.get_crl(holder[0], holder, client.discover(identifier))
        subject = (("C", "US"), ("O", "Lab"), ("CN", seat.common_name))
        csr = build_csr(key, subject, challenge_password=Secret(password))
        if operation == RENEW:
            outcome = client.renew(csr, key, holder, identifier=identifier)
        else:
            outcome = client.enrol(csr, key, identifier=identifier, cipher=operation if operation in CIPHERS else None)
        for _ in range(MOST_POLLS):
            if not isinstance(outcome, Pending):
                break
            outcome = client.poll(outcome)
        return outcome.certificate if isinstance(outcome, Issued) else outcome


def _write_key(file: Path, key: RSAPrivateKey) -> None:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
