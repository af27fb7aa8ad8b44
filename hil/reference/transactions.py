"""A transaction with a CA that outlives the process: on disk before anything is asked, until it is settled.

RFC 8894 section 5.2 leaves a client that was interrupted two ways, CertPoll and the same request
again; both need the key, the CSR, the signer's certificate and the transactionID of the first time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.errors import Misuse
from hil.reference.store import key_pem, replace_private
from hil.scep.certificate import Certificate, read_certificate
from hil.scep.csr import read_csr
from hil.scep.kept_key import read_kept_key
from hil.scep.messages import MessageType


class Stage(StrEnum):
    """How far a transaction is known to have come."""

    ASKED = "asked"  # the request may have been sent
    PENDING = "pending"  # the CA said so
    ISSUED = "issued"  # the certificate is here, not yet at its place


@dataclass(frozen=True)
class Request:
    """What a request is made of, each time it is sent; the CSR holds the challenge password."""

    csr_der: bytes = field(repr=False)
    key: RSAPrivateKey = field(repr=False)
    signer: Certificate


@dataclass(frozen=True)
class Kept:
    """A transaction: its request, and the `parameters` that this was made from.

    `ca` is the SHA-256 fingerprint of the CA it was begun with. `issued` are the certificate and
    those above it.
    """

    request: Request
    message_type: MessageType
    transaction_id: str
    parameters: Mapping[str, str]
    ca: str
    stage: Stage = Stage.ASKED
    issued: tuple[Certificate, ...] = ()


class TransactionFile:
    """The one transaction of a folder, in a file of mode 600 that is replaced whole."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pending.json"

    def load(self) -> Kept | None:
        """What is kept; `Misuse` where the file cannot be read."""
        try:
            return _read(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Misuse(f"is no stored transaction: {error}", file=self.path, remedy="delete it to begin anew") from error

    def save(self, kept: Kept) -> None:
        """Keep it, on disk once this returns."""
        replace_private({self.path: json.dumps(_written(kept), indent=1).encode()})

    def discard(self) -> None:
        """Keep nothing any more."""
        self.path.unlink(missing_ok=True)


def _written(kept: Kept) -> dict[str, object]:
    request = kept.request
    return {
        "parameters": dict(kept.parameters),
        "stage": kept.stage.value,
        "transaction_id": kept.transaction_id,
        "ca": kept.ca,
        "message_type": kept.message_type.name,
        "csr": request.csr_der.hex(),
        "signer": request.signer.der.hex(),
        "issued": [certificate.der.hex() for certificate in kept.issued],
        "key": key_pem(request.key).decode(),
    }


def _read(record: dict[str, Any]) -> Kept:
    key = read_kept_key(record["key"].encode())
    signer = read_certificate(bytes.fromhex(record["signer"]))
    return Kept(
        request=Request(read_csr(bytes.fromhex(record["csr"])).der, key, signer),
        message_type=MessageType[record["message_type"]],
        transaction_id=str(record["transaction_id"]),
        parameters={str(name): str(value) for name, value in record["parameters"].items()},
        ca=str(record["ca"]),
        stage=Stage(record["stage"]),
        issued=tuple(read_certificate(bytes.fromhex(der)) for der in record["issued"]),
    )
