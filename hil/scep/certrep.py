"""What a CA decided of a request, and the CertRep that says so (RFC 8894 section 3.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from hil.frozen import frozen
from hil.scenario import Answer, Chain, Issue, layers
from hil.scep import algorithms, build
from hil.scep.authority import Authority
from hil.scep.certificate import Certificate
from hil.scep.crl import Crl
from hil.scep.forgery import Credentials, Forger, forgeries
from hil.scep.messages import FailInfo, PkiMessage, PkiStatus

DIGEST = "sha256"
"""Of an answer to a request whose own digest is not known here."""
_CIPHER = "aes-128-cbc"


@frozen
class Decision:
    """What a CertRep will say; without a status there is none."""

    status: PkiStatus | None
    issued: Certificate | None = None
    found: Certificate | None = None
    crl: Crl | None = None
    fail_info: FailInfo | None = None
    text: str | None = None
    subject: str | None = None
    script: Answer | None = None


@dataclass(frozen=True)
class Scribe:
    """Writes CertReps with the digest and cipher of the request, unless it has its own; forges where the script says so.

    `chain` is where the CA's certificates stand beside one that is issued, unless the script says another. With `tells_why`
    failInfoText says why a request is refused, with `empty_content` FAILURE and PENDING have a content of no octets.
    """

    forger: Forger
    digest: str | None
    cipher: str | None
    chain: Chain
    tells_why: bool
    empty_content: bool

    def write(self, authority: Authority, request: PkiMessage, true: Credentials, decision: Decision, status: PkiStatus) -> bytes:
        """The CertRep to `request`; `true` are the credentials that it has unless they are forged."""
        told = self.forger.credentials(true, forgeries(decision.script))
        issued = self._with_chain(authority, decision.issued, decision.script) if decision.issued else ()
        return build.build_cert_rep(
            status,
            transaction_id=told.transaction_id,
            recipient_nonce=told.recipient_nonce,
            signer=told.signer,
            key=told.key,
            digest=self.digest or (request.digest if request.digest in algorithms.DIGESTS else DIGEST),
            cipher=self.cipher or _cipher(request),
            issued=issued or ((decision.found,) if decision.found else ()),
            crls=(decision.crl.der,) if decision.crl else (),
            recipient=request.signer if status is PkiStatus.SUCCESS else None,
            fail_info=decision.fail_info,
            fail_info_text=decision.text if self.tells_why else None,
            empty_content=self.empty_content,
        )

    def _with_chain(self, authority: Authority, leaf: Certificate, script: Answer | None) -> tuple[Certificate, ...]:
        above = (authority.certificate, *authority.chain)
        answer = layers(script)[-1] if script else None
        chain = answer.chain if isinstance(answer, Issue) else None
        match chain or self.chain:
            case "absent":
                return (leaf,)
            case "leaf first":
                return (leaf, *above)
            case "leaf last":
                return (*reversed(above), leaf)


def _cipher(request: PkiMessage) -> str:
    """The request's cipher; where that is GCM, CBC with a key as long, which every peer reads."""
    cipher = (request.content_cipher or _CIPHER).replace("-gcm", "-cbc")
    return cipher if cipher in algorithms.CIPHERS else _CIPHER
