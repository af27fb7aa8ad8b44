"""A script between clients and a real CA: what it makes of their messages, seen from outside the envelope.

What the CA's signature is needed for is possible where the bench holds the key of a `Speaker`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.asn1 import Malformed
from hil.clock import Clock
from hil.errors import Misuse
from hil.scenario import Answer, Forge, Issue, Pend, Reject, layers
from hil.scep import algorithms, build
from hil.scep.answered import Answered
from hil.scep.ca import MOST_PENDING
from hil.scep.certificate import Certificate
from hil.scep.endpoint import PKI_MESSAGE, HttpReply
from hil.scep.forgery import Credentials, Forger, forgeries
from hil.scep.messages import FailInfo, MessageType, PkiMessage, PkiStatus, read_certificates, read_message
from hil.scep.outcomes import LedgerEntry, repetition, shown
from hil.scep.query import decode_url_message, parameters
from hil.services.upstream import Received, UpstreamFault
from hil.services.web import Call

Speaker = tuple[RSAPrivateKey, Certificate]
"""Key and certificate with which the CA signs its replies, as `Authority.speaker` has them."""

_STRANGERS = frozenset({"signer", "signature"})
_DIGEST = "sha256"
_EXCERPT = 200


@dataclass(frozen=True)
class Asked:
    """A PKIOperation: how it was called, the pkiMessage that it bears, and what that says, as far as they can be read."""

    call: Call
    octets: bytes | None
    message: PkiMessage | None
    notes: tuple[str, ...] = ()

    @classmethod
    def by(cls, call: Call) -> Asked:
        """The PKIOperation of `call`, a GET or POST."""
        octets: bytes | None = call.body
        notes: tuple[str, ...] = ()
        try:
            if call.method == "GET":
                octets = None
                octets, notes = decode_url_message(parameters(call.target).get("message", ""))
            return cls(call, octets, read_message(octets or b""), notes)
        except Malformed as error:
            return cls(call, octets, None, (*notes, f"no pkiMessage: {error}"))

    @property
    def transaction_id(self) -> str | None:
        """The message's transactionID."""
        return self.message.transaction_id if self.message else None

    @property
    def nonce(self) -> bytes | None:
        """The message's senderNonce."""
        return self.message.sender_nonce if self.message else None

    @property
    def kind(self) -> MessageType | None:
        """The message's type, if the message is sound as far as it shows without its envelope; else None."""
        message = self.message
        if message is None or None in (message.transaction_id, message.sender_nonce) or not message.signature_valid:
            return None
        return message.message_type

    @property
    def key(self) -> bytes | None:
        """The public key of the message's signer, encoded."""
        return self.message.signer.public_key_der if self.message and self.message.signer else None


@dataclass(frozen=True)
class Errand:
    """What is due to `asked`: the upstream's reply to `forward`, or else a CertRep of this `status`.

    Without either something stands in the CA's place. `script` is the entry that says so, if one does.
    """

    asked: Asked
    script: Answer | None = None
    forward: Asked | None = None
    status: PkiStatus | None = None
    fail_info: FailInfo | None = None


@dataclass
class _Waiting:
    """A request that waits for its certificate, and how many more polls it must."""

    asked: Asked
    polls_left: int
    script: Answer


class Relay:
    """Takes the k-th entry of `script` for the k-th request for a certificate, the last one for all that follow.

    Asked for one PKIOperation after another. Raises `Misuse` where an entry cannot be played before
    a real CA.
    """

    def __init__(self, script: Sequence[Answer], *, clock: Clock, speaker: Speaker | None = None) -> None:
        self._script = tuple(script) or (Issue(),)
        for answer in self._script:
            if unplayable := why_unplayable(answer, speaks=speaker is not None):
                problem, remedy = unplayable
                raise Misuse(f"{answer!r} cannot be played before a real CA: {problem}", key="answers", remedy=remedy)
        if speaker is not None and algorithms.public_key_der(speaker[0]) != speaker[1].public_key_der:
            raise Misuse("the key is not the certificate's", key="speaker", remedy="give both of one pair")
        self._clock = clock
        self._speaker = speaker
        self._forger = Forger(clock)
        self._position = 0
        self._waiting: OrderedDict[str | None, _Waiting] = OrderedDict()
        self._answered = Answered[HttpReply](keeps=lambda reply: reply.pki_status is not None)
        self._certificates: tuple[Certificate, ...] = ()

    def learn(self, certificates: bytes) -> None:
        """Take the CA's certificates from an answer to GetCACert, for replies that do not carry their signer's."""
        try:
            self._certificates = read_certificates(certificates)
        except Malformed:
            return  # the client sees it too

    def again(self, asked: Asked) -> HttpReply | None:
        """The answer to a request that came before, octet for octet, if a CertRep answered it."""
        kept = None if asked.octets is None else self._answered.kept(asked.octets)
        if kept is None or asked.message is None:
            return None
        # What the script did to the answer, it did to the first one.
        return replace(kept, script=None, notes=asked.notes, entry=repetition(asked.message, self._clock.now()))

    def take(self, asked: Asked) -> Errand:
        """What is due to a request; one that is broken in itself, or asks for no certificate, goes upstream as it is."""
        if asked.kind not in (MessageType.PKCSReq, MessageType.RenewalReq, MessageType.CertPoll):
            return Errand(asked, forward=asked)
        waiting = self._waiting.get(asked.transaction_id)
        if waiting is None or waiting.asked.key != asked.key:
            return Errand(asked, forward=asked) if asked.kind is MessageType.CertPoll else self._play(asked, asked)
        if asked.kind is not MessageType.CertPoll:
            waiting.asked = asked  # asked once more, as by a client that lost the answer (RFC 8894 section 5.2)
        if waiting.polls_left > 0:
            waiting.polls_left -= 1
            return Errand(asked, waiting.script, status=PkiStatus.PENDING)
        return self._play(asked, waiting.asked)

    def conclude(self, errand: Errand, received: Received | None = None) -> HttpReply:
        """The answer, `received` being the upstream's to what was forwarded.

        Raises `UpstreamFault` where that is nothing in which the script's lie can be told, or which
        can be given to a poll.
        """
        if received is not None:
            reply = self._passed_on(errand, received)
        else:
            body = b"" if errand.status is None else self._spoken(errand, errand.status)
            entry = self._entry(errand, errand.status, errand.fail_info)
            reply = HttpReply(200, PKI_MESSAGE, body, errand.asked.notes, errand.script, errand.status, entry)
        if reply.pki_status is not None and errand.forward is not None:
            self._settle(errand.forward)
        if errand.asked.octets is not None:
            self._answered.keep(errand.asked.octets, reply)
        return reply

    def failed(self, errand: Errand, fault: UpstreamFault) -> HttpReply:
        """The answer where the upstream gave none; what waits goes on waiting."""
        reply = refused(fault)
        entry = self._entry(errand, problem=str(fault))
        return replace(reply, notes=errand.asked.notes, script=errand.script, entry=entry)

    def _play(self, asked: Asked, due: Asked) -> Errand:
        """What the script's next entry makes of `asked`, `due` being the request for a certificate behind it."""
        script = self._script[min(self._position, len(self._script) - 1)]
        self._position += 1
        match layers(script)[-1]:
            case Pend(times):
                self._waiting[asked.transaction_id] = _Waiting(due, times - 1, script)
                if len(self._waiting) > MOST_PENDING:
                    self._waiting.popitem(last=False)
                return Errand(asked, script, status=PkiStatus.PENDING)
            case Reject(fail_info):
                self._settle(due)
                return Errand(asked, script, status=PkiStatus.FAILURE, fail_info=FailInfo[fail_info])
            case Issue():
                return Errand(asked, script, forward=due)
            case _:
                return Errand(asked, script)

    def _settle(self, due: Asked) -> None:
        waiting = self._waiting.get(due.transaction_id)
        if waiting is not None and waiting.asked is due:
            del self._waiting[due.transaction_id]

    def _spoken(self, errand: Errand, status: PkiStatus) -> bytes:
        """A CertRep without content, by the speaker."""
        assert self._speaker is not None  # else the script had been refused
        told = self._told(errand, self._speaker)
        message = errand.asked.message
        return build.build_cert_rep(
            status,
            transaction_id=told.transaction_id,
            recipient_nonce=told.recipient_nonce,
            signer=told.signer,
            key=told.key,
            digest=message.digest if message and message.digest in algorithms.DIGESTS else _DIGEST,
            fail_info=errand.fail_info,
        )

    def _passed_on(self, errand: Errand, received: Received) -> HttpReply:
        """The upstream's answer octet for octet, but where the script lies, or where a poll is answered."""
        reply, problem = self._read(errand, received)
        status, fail_info = (reply.status, reply.fail_info) if reply else (None, None)
        body, notes = received.body, errand.asked.notes
        if forgeries(errand.script) or errand.forward is not errand.asked:
            if reply is None or reply.signer is None or problem is not None:
                raise UpstreamFault("the CA's answer cannot be signed anew", tried="sign it as scripted", seen=problem)
            # Without a speaker there are no lies but those that a stranger signs.
            told = self._told(errand, self._speaker or (self._forger.key, reply.signer))
            body = build.sign_again(
                received.body,
                transaction_id=told.transaction_id,
                recipient_nonce=told.recipient_nonce,
                signer=told.signer,
                key=told.key,
                certificates=[each for each in reply.certificates if each.der != reply.signer.der],
            )
            if self._speaker is not None and self._speaker[1].der != reply.signer.der:
                notes = (*notes, f"the CA signed as {reply.signer.subject}, the speaker is {self._speaker[1].subject}")
        entry = self._entry(errand, status, fail_info, problem)
        return HttpReply(received.status, received.content_type, body, notes, errand.script, status, entry, received.fields)

    def _told(self, errand: Errand, speaker: Speaker) -> Credentials:
        """What a CertRep to `errand.asked` bears, with the lies of the script in it."""
        key, certificate = speaker
        true = Credentials(errand.asked.transaction_id or "", errand.asked.nonce or b"", certificate, key)
        return self._forger.credentials(true, forgeries(errand.script))

    def _read(self, errand: Errand, received: Received) -> tuple[PkiMessage | None, str | None]:
        """The upstream's CertRep, and why it is none, or none to what was forwarded."""
        if received.status != 200:
            return None, f"HTTP {received.status}: {received.body[:_EXCERPT].decode(errors='replace').strip()}"
        try:
            reply = read_message(received.body, certificates=self._certificates)
        except Malformed as error:
            return None, f"the CA's answer is no pkiMessage: {error}"
        if reply.message_type is not MessageType.CertRep or reply.status is None:
            return None, "the CA's answer is no CertRep with a pkiStatus"
        if not reply.signature_valid:
            return reply, "; ".join(("the CA's answer is not validly signed", *reply.problems))
        asked = errand.forward or errand.asked
        if asked.message and (reply.transaction_id, reply.recipient_nonce) != (asked.transaction_id, asked.nonce):
            return reply, "the CA's answer has another transactionID or recipientNonce than the request"
        return reply, None

    def _entry(
        self,
        errand: Errand,
        status: PkiStatus | None = None,
        fail_info: FailInfo | None = None,
        problem: str | None = None,
    ) -> LedgerEntry:
        message = errand.asked.message
        kind = message.message_type if message else None
        return LedgerEntry(
            at=self._clock.now(),
            transaction_id=errand.asked.transaction_id,
            message_type=None if kind is None else kind.name,
            answer=None if status is None else status.name,
            fail_info=None if fail_info is None else fail_info.name,
            problem=problem,
            scripted=shown(errand.script),
        )


def refused(fault: UpstreamFault) -> HttpReply:
    """What a client gets where the upstream gave nothing that can be passed on."""
    return HttpReply(fault.status, "text/plain", f"{fault.problem}\n".encode(), fault=str(fault))


def why_unplayable(answer: Answer, *, speaks: bool = False) -> tuple[str, str] | None:
    """Why `answer` cannot be played before a real CA, and what would do; None where it can. `speaks`: its key is at hand."""
    *around, inner = layers(answer)
    lies = {layer.lie for layer in around if isinstance(layer, Forge)}
    if isinstance(inner, Issue) and inner != Issue():
        return "a real CA chooses validity and chain itself", "write Issue() without them"
    if "certificate" in lies:
        return "a certificate is forged with the key that issues", "play it before the bench's CA"
    if not speaks and (isinstance(inner, Pend | Reject) or lies - _STRANGERS):
        remedy = "give the key and the certificate with which that CA signs, or play it before the bench's CA"
        return "needs the CA's signature", remedy
    return None
