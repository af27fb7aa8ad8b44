"""The facts of a certificate signing request: from itself, or what a sealed one's message shows of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from hil.judge.seen import Where
from hil.judge.verdict import NotObserved, NotShown
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr
from hil.secret import Secret

Parts = tuple[tuple[str, str], ...]


class SubjectFacts(ABC):
    """What is asked for in a subject's name."""

    @property
    @abstractmethod
    def subject(self) -> Parts:
        """Attributes in the order encoded, such as `(("C", "US"), ("CN", "19WZ…"))`."""

    @property
    def common_name(self) -> str:
        names = [value for name, value in self.subject if name == "CN"]
        if len(names) != 1:
            raise NotObserved(f"the CSR's subject has {len(names)} common names: {self.subject!r}")
        return names[0]

    @property
    def dn(self) -> Parts:
        """The subject without its common name, in the order encoded."""
        return tuple(part for part in self.subject if part[0] != "CN")

    @property
    def dn_parts(self) -> Parts:
        """The parts of `dn`, whatever their order: sorted."""
        return tuple(sorted(self.dn))

    @property
    def cn_position(self) -> str:
        """`first`, `last`, `between`, or `only` where the subject is nothing but the common name."""
        names = [name for name, _ in self.subject]
        if names == ["CN"]:
            return "only"
        places = {"first": names[0] == "CN", "last": names[-1] == "CN"}
        return next((place for place, holds in places.items() if holds), "between")


@dataclass(frozen=True)
class CsrFacts(SubjectFacts):
    """The certificate signing request inside the first pkiMessage that enrols."""

    csr: Csr
    signer_key: bytes | None
    where: Where

    @property
    def key_bits(self) -> int:
        return self.csr.key_bits

    @property
    def subject(self) -> Parts:
        return self.csr.subject_parts

    @property
    def challenge(self) -> Secret | None:
        """The challengePassword attribute, None where the CSR has none."""
        return self.csr.challenge_password

    @property
    def signature_valid(self) -> bool:
        return self.csr.signature_valid

    @property
    def signature_digest(self) -> str:
        return self.csr.signature_digest

    @property
    def extensions(self) -> tuple[str, ...]:
        return self.csr.extensions

    @property
    def key_matches_signer(self) -> bool:
        """Whether the pkiMessage is signed by the key that the CSR asks a certificate for."""
        return self.signer_key == self.csr.public_key_der


@dataclass(frozen=True)
class SealedCsrFacts(SubjectFacts):
    """The same of a CSR that is sealed for a real CA, by the certificate that its client made to sign with.

    That has the CSR's key and subject (RFC 8894 section 2.3). Reading anything else raises `NotShown`, as does the subject
    where it has other parts than `due`: then the certificate may be what is wrong, and not the CSR.
    """

    signer: Certificate | None
    due: Callable[[], Parts]
    where: Where

    @property
    def key_bits(self) -> int:
        return self._own.key_bits

    @property
    def subject(self) -> Parts:
        named = self._own.subject_parts
        if sorted(named) != sorted(self.due()):
            raise NotShown(f"the CSR is sealed for a real CA, and its signer calls itself {self._own.subject!r}")
        return named

    @property
    def challenge(self) -> Secret | None:
        raise self._sealed("its challengePassword")

    @property
    def signature_valid(self) -> bool:
        raise self._sealed("its signature")

    @property
    def signature_digest(self) -> str:
        raise self._sealed("its digest")

    @property
    def extensions(self) -> tuple[str, ...]:
        raise self._sealed("what extensions it asks for")

    @property
    def key_matches_signer(self) -> bool:
        raise self._sealed("its key")

    @property
    def _own(self) -> Certificate:
        if self.signer is None or not self.signer.self_signed:
            raise self._sealed("what it asks for")
        return self.signer

    def _sealed(self, what: str) -> NotShown:
        return NotShown(f"the CSR is sealed for a real CA, so {what} is not shown")
