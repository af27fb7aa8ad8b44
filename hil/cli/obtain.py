"""Obtaining a certificate, as `hil enroll` and `hil renew` do: asked for, polled for, and gone on with after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.cli.peer import Peer
from hil.cli.pem import pem_of
from hil.cli.progress import Steps
from hil.cli.request_options import Manner
from hil.cli.saying import Facts, blank, told_refusal
from hil.cli.workplace import claimed
from hil.clock import Clock
from hil.errors import Misuse
from hil.reference.device import digest_for
from hil.reference.store import key_pem, replace_private
from hil.reference.transactions import Kept, Request, Stage, TransactionFile
from hil.scep.client import Client, Enrolment, Issued, Outcome, Pending, Rejected, ServerView, new_transaction_id
from hil.scep.csr import read_csr
from hil.scep.messages import MessageType
from hil.scep.polling import poll
from hil.scep.trust import UntrustedCa, chain_above, fingerprint
from hil.secret import Secret

SINGLE_DES = "sealed by single DES, for the server offers no better; nobody vouches for what it offers, and --cipher insists"


@dataclass(frozen=True)
class Place:
    """The files that a key and its certificate are for; the transaction is kept beside the certificate."""

    key: Path
    certificate: Path
    chain: Path


class Wish(Protocol):
    """What is asked for."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """Options and values that must be the same again for an interrupted request to be gone on with."""

    @property
    def place(self) -> Place:
        """Where it goes."""

    @property
    def challenge(self) -> Secret | None:
        """The challenge password, if there is one."""

    @property
    def renews(self) -> bool:
        """Whether the request is signed with a certificate of the CA."""

    def not_due(self) -> str | None:
        """Why not to ask now, None if to ask; `Misuse` where something is in the way."""

    def request(self, digest: str) -> Request:
        """The request, made for the first time."""

    def signer_key(self, request: Request) -> RSAPrivateKey:
        """The key of the request's signer; `Misuse` where it is no longer at hand."""


def no_facts() -> Facts:
    """Every fact that a verb which obtains a certificate may tell, none known yet."""
    return blank(
        *("fail_info", "transaction_id", "resumed", "polls"),
        *("subject", "issuer", "serial", "not_before", "not_after", "key", "certificate", "chain"),
        *("ca_fingerprint", "ca_checked", "state", "notes"),
    )


def obtain(wish: Wish, how: Manner, peer: Peer, *, clock: Clock, steps: Steps, facts: Facts) -> None:
    """Bring the wish to an outcome, told in `facts`; what is not settled is kept for the next run."""
    parameters = {**wish.parameters, **how.parameters, "URL": peer.url, "--identifier": peer.identifier}
    folder = wish.place.certificate.parent
    with claimed(folder):
        file = TransactionFile(folder)
        if how.restart:
            file.discard()
        kept = file.load()
        facts["resumed"] = kept is not None
        if kept is not None:
            _compare(kept, parameters, wish.challenge, file.path)
        elif reason := wish.not_due():
            facts.update(outcome="not due", text=reason)
            return
        try:
            if kept is None or kept.stage is not Stage.ISSUED:
                kept = _Talk(wish, how, peer, file, clock, steps, facts).settle(kept, parameters)
            if kept is not None:
                _put(kept, wish.place, facts)
                file.discard()
        finally:
            facts["state"] = str(file.path) if file.path.exists() else None


@dataclass(frozen=True)
class _Talk:
    """One run's talk with the CA."""

    wish: Wish
    how: Manner
    peer: Peer
    file: TransactionFile
    clock: Clock
    steps: Steps
    facts: Facts

    def settle(self, kept: Kept | None, parameters: Mapping[str, str]) -> Kept | None:
        """The transaction with its certificate, None where the CA refused it or holds it pending."""
        with self.peer.transport() as transport:
            client = Client(transport, clock=self.clock)
            self.steps.step("asking what the CA offers")
            server = self._server(client, kept)
            digest = self.how.digest or digest_for(server)
            if kept is None:
                self.steps.step("making key and request")
                message_type = server.renewal_type if self.wish.renews else MessageType.PKCSReq
                request = self.wish.request(digest)
                kept = Kept(request, message_type, new_transaction_id(), parameters, fingerprint(server.ca))
                self.file.save(kept)
            self.facts["transaction_id"] = kept.transaction_id
            outcome = self._outcome(client, kept, self._enrolment(kept, server, digest))
            return self._settled(kept, outcome, server)

    def _server(self, client: Client, kept: Kept | None) -> ServerView:
        server = self.peer.discover(client)
        self.facts.update(self.peer.check_facts(server))
        if kept is not None and self.peer.pin is None and kept.ca != fingerprint(server.ca):
            problem = "the server shows another CA than when the request was made"
            raise UntrustedCa(problem, tried=f"compare {kept.ca}", seen=fingerprint(server.ca))
        return server

    def _enrolment(self, kept: Kept, server: ServerView, digest: str) -> Enrolment:
        request = kept.request
        cipher = self.how.content_cipher or server.cipher
        if self.how.cipher is None and cipher == "des-cbc":
            self.facts["notes"] += [SINGLE_DES]
        return Enrolment(
            transaction_id=kept.transaction_id,
            server=server,
            signer=request.signer,
            signer_key=self.wish.signer_key(request),
            cipher=cipher,
            digest=digest,
            csr_der=request.csr_der,
            key=request.key,
            message_type=kept.message_type,
        )

    def _outcome(self, client: Client, kept: Kept, enrolment: Enrolment) -> Outcome:
        resumed = kept.stage is Stage.PENDING
        outcome: Outcome = Pending(enrolment)
        if not resumed:
            self.steps.step(enrolment.message_type.name)
            outcome = client.request(enrolment)
        if isinstance(outcome, Pending):
            self.file.save(replace(kept, stage=Stage.PENDING))
            patience = self.how.patience
            polled = poll(client, outcome, clock=self.clock, patience=patience, resumed=resumed, told=self.steps.step)
            self.facts["polls"], outcome = polled.polls, polled.outcome
        return outcome

    def _settled(self, kept: Kept, outcome: Outcome, server: ServerView) -> Kept | None:
        match outcome:
            case Pending():
                self.facts["outcome"] = "pending"
                return None
            case Rejected():
                self.facts.update(told_refusal(outcome))
                self.file.discard()
                return None
            case Issued(certificate=leaf):
                above = chain_above(leaf, (*outcome.chain, *server.certificates))
                issued = (leaf, *(above or outcome.chain or server.certificates))
                kept = replace(kept, stage=Stage.ISSUED, issued=issued)
                self.file.save(kept)
                self.facts["notes"] += outcome.notes
                return kept


def _compare(kept: Kept, parameters: Mapping[str, str], challenge: Secret | None, file: Path) -> None:
    """`Misuse` where a run would go on with a request that was made from other parameters."""
    differing = [name for name in parameters if kept.parameters.get(name) != parameters[name]]
    before = read_csr(kept.request.csr_der).challenge_password
    told = [f"{name} was {kept.parameters.get(name)!r}" for name in differing]
    told += ["the challenge password was another"] if challenge is not None and challenge != before else []
    if told:
        remedy = "ask for the same to go on with it, or discard it by --restart"
        raise Misuse(f"a request waits that was made otherwise ({', '.join(told)})", file=file, remedy=remedy)


def _put(kept: Kept, place: Place, facts: Facts) -> None:
    """The key, the certificate and those above it to their place."""
    certificate, *above = kept.issued
    replace_private({place.key: key_pem(kept.request.key), place.chain: pem_of(above), place.certificate: pem_of((certificate,))})
    facts.update(
        outcome="issued",
        transaction_id=kept.transaction_id,
        subject=certificate.subject,
        issuer=certificate.issuer,
        serial=f"{certificate.serial:x}",
        not_before=certificate.not_before.isoformat(),
        not_after=certificate.not_after.isoformat(),
        key=str(place.key),
        certificate=str(place.certificate),
        chain=str(place.chain),
        ca_fingerprint=kept.ca,
    )
