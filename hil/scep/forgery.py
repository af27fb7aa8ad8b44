"""The lies that a script puts into a CertRep, each as what it changes in the true one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import field, replace
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.clock import Clock
from hil.frozen import frozen
from hil.scenario import Answer, Forge, Forgery, layers
from hil.scep import algorithms
from hil.scep.authority import self_signed
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr


def forgeries(answer: Answer | None) -> tuple[Forgery, ...]:
    """The lies of a script's answer, outermost first."""
    return tuple(layer.lie for layer in layers(answer) if isinstance(layer, Forge)) if answer else ()


@frozen
class Credentials:
    """What a CertRep bears to be believed: whose answer it is, to what, and by which key."""

    transaction_id: str
    recipient_nonce: bytes
    signer: Certificate
    key: RSAPrivateKey = field(repr=False)


class Forger:
    """Tells lies; the stranger for whom it speaks has one key for as long as the forger lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def csr(self, csr: Csr, lies: Iterable[Forgery]) -> Csr:
        """The request as the CA shall take it: with the stranger's key where the certificate is forged."""
        return replace(csr, public_key_der=algorithms.public_key_der(self.key)) if "certificate" in lies else csr

    def credentials(self, true: Credentials, lies: Iterable[Forgery]) -> Credentials:
        """The true credentials with every lie of `lies` in them."""
        told = true
        for lie in lies:
            match lie:
                case "recipientNonce":
                    told = replace(told, recipient_nonce=bytes(octet ^ 0xFF for octet in true.recipient_nonce))
                case "transactionID":
                    told = replace(told, transaction_id=hashlib.sha256(true.transaction_id.encode()).hexdigest().upper())
                case "signer":
                    certificate = self_signed(true.signer.subject_der, self.key, self._clock.now())
                    told = replace(told, signer=certificate, key=self.key)
                case "signature":
                    told = replace(told, key=self.key)
                case "certificate":
                    pass  # told in the CSR already
        return told

    @cached_property
    def key(self) -> RSAPrivateKey:
        """The stranger's."""
        return rsa.generate_private_key(65537, 2048)
