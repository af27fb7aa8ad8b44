"""Scripts before a real CA: what needs its signature, what a stranger's will do for, and whose turn it is.

What a script's answers look like on the wire is tested with those of the bench's CA.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from proxied import CSR, KEY, QUERY, Server, a_request, by_endpoint, response, url

from hil import asn1
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName
from hil.scenario import Answer, Drip, Forge, Forgery, Garbage, HttpError, Issue, Pend, Redirect, Reject, Reset, Silence, Truncate
from hil.scep import cms, signers
from hil.scep.ca import Authority, CaService, LedgerEntry
from hil.scep.client import Client, Issued, Outcome, Pending, Rejected, ReplyRefused
from hil.scep.endpoint import Endpoint
from hil.scep.http import ScepHttpError, Transport
from hil.scep.messages import FailInfo, MessageType, PkiMessage, PkiStatus, read_message
from hil.scep.personas import Admission, persona
from hil.services.lab import Lab
from hil.services.upstream import Upstream


class RealCa:
    """A CA of the bench behind a server of its own, and what its ledger was told."""

    def __init__(self, authority: Authority, *script: Answer) -> None:
        self.ledger: list[LedgerEntry] = []
        issue = signers.issue(authority)
        self.service = CaService(authority, issue, clock=ScaledClock(), script=script, ledger=self.ledger.append)
        self.server = Server(by_endpoint(Endpoint(self.service)))

    @property
    def upstream(self) -> Upstream:
        return Upstream(self.server.url)

    @property
    def asked(self) -> list[str | None]:
        """Types of the messages that it got."""
        return [entry.message_type for entry in self.ledger]


@pytest.fixture
def ca(authority: Authority) -> Iterator[RealCa]:
    real = RealCa(authority)
    with real.server:
        yield real


def ask(lab: Lab, message: bytes) -> httpx.Response:
    return httpx.post(url(lab) + QUERY, content=message)


def reply(lab: Lab, message: bytes) -> PkiMessage:
    return read_message(ask(lab, message).content, keys=(KEY,))


def enrol(lab: Lab, polls: int = 0) -> Outcome:
    """The outcome of a request and so many polls."""
    with Transport(url(lab)) as transport:
        client = Client(transport)
        outcome = client.enrol(CSR, KEY)
        for _ in range(polls):
            assert isinstance(outcome, Pending)
            outcome = client.poll(outcome)
    return outcome


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Pend(), "needs the CA's signature"),
        (Reject("badTime"), "needs the CA's signature"),
        (Drip(of=Forge("recipientNonce")), "needs the CA's signature"),
        (Forge("transactionID"), "needs the CA's signature"),
        (Forge("signer", of=Reject()), "needs the CA's signature"),
        (Forge("certificate"), "forged with the key that issues"),
        (Issue(days=30), "chooses validity and chain itself"),
        (Reset(of=Issue(backdated=1)), "chooses validity and chain itself"),
        (Issue(chain="absent"), "chooses validity and chain itself"),
    ],
    ids=str,
)
def test_what_cannot_be_played_without_the_cas_key_is_refused_when_it_is_scripted(
    lab: Lab, ca: RealCa, answer: Answer, problem: str
) -> None:
    with pytest.raises(Misuse) as refusal:
        lab.forward("j179-1", 1, ca.upstream, answers=[Issue(), answer])
    text = str(refusal.value)
    assert text.startswith(f"answers: {answer!r} cannot be played before a real CA: ")
    assert problem in text
    assert "; " in text, "what would be right"


@pytest.mark.parametrize("answer", [Forge("certificate"), Issue(days=30)], ids=str)
def test_what_only_the_ca_can_do_is_refused_with_its_key_too(lab: Lab, authority: Authority, ca: RealCa, answer: Answer) -> None:
    with pytest.raises(Misuse, match="cannot be played before a real CA"):
        lab.forward("j179-1", 1, ca.upstream, answers=[answer], speaker=authority.speaker)


def test_a_speaker_has_a_key_and_the_certificate_of_it(lab: Lab, authority: Authority, ca: RealCa) -> None:
    with pytest.raises(Misuse, match="speaker: the key is not the certificate's"):
        lab.forward("j179-1", 1, ca.upstream, speaker=(KEY, authority.certificate))


@pytest.mark.parametrize("answer", [HttpError(503), Redirect(), Silence(0), Garbage(10)], ids=str)
def test_what_stands_in_the_cas_place_is_not_passed_on(lab: Lab, authority: Authority, ca: RealCa, answer: Answer) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[answer, Issue()])
    if isinstance(answer, Silence):
        with pytest.raises(httpx.RemoteProtocolError):
            ask(lab, a_request(authority))
    else:
        ask(lab, a_request(authority))
    assert ca.ledger == []
    assert reply(lab, a_request(authority)).status is PkiStatus.SUCCESS
    assert ca.asked == ["PKCSReq"]


def test_what_the_wire_does_to_an_answer_the_ca_has_given(lab: Lab, authority: Authority, ca: RealCa) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[Truncate(5)])
    with pytest.raises(httpx.RemoteProtocolError):
        ask(lab, a_request(authority))
    assert [entry.answer for entry in ca.ledger] == ["SUCCESS"]


@pytest.mark.parametrize("lie", ["signer", "signature"])
def test_a_stranger_signs_what_the_ca_said_octet_for_octet(
    lab: Lab, authority: Authority, ca: RealCa, tmp_path: Path, lie: Forgery
) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[Forge(lie)])
    forged = ask(lab, a_request(authority)).content
    folder = tmp_path / "lab" / "proxy" / "j179-1-1"
    said, given = ((folder / f"0001-{name}.der").read_bytes() for name in ("reply", "answer"))
    assert given == forged != said
    true, false = (cms.read_signed_data(asn1.read(octets)) for octets in (said, forged))
    assert false.content == true.content is not None
    assert _attributes(false) == _attributes(true)
    read = read_message(forged, keys=(KEY,))
    assert read.signer is not None
    assert read.signature_valid is (lie == "signer")
    assert (read.signer.der == authority.certificate.der) is (lie == "signature")
    assert read.signer.subject_der == authority.certificate.subject_der
    [line] = lab.ledger.lines()
    assert (line.entry.answer, line.entry.scripted, line.entry.problem) == ("SUCCESS", f"Forge(lie={lie!r})", None)


def _attributes(signed: cms.SignedData) -> set[bytes]:
    [info] = signed.signers
    assert info.attributes is not None
    return {each.raw for each in info.attributes.children}


@pytest.mark.parametrize(("lie", "refused"), [("signer", "signed by none"), ("signature", "signature is not valid")])
def test_a_stranger_stands_for_an_ra_too(lab: Lab, lie: Forgery, refused: str) -> None:
    clock, ndes = ScaledClock(), persona("ndes")
    authority = ndes.authority("Played CA", clock)
    service = CaService(authority, signers.issue(authority), clock=clock)
    with Server(by_endpoint(ndes.endpoint(service))) as server:
        lab.forward("j179-1", 1, Upstream(server.url), answers=[Forge(lie), Issue()])
        with pytest.raises(ReplyRefused, match=refused):
            enrol(lab)
        assert isinstance(enrol(lab), Issued)


def test_what_no_lie_can_be_told_in_is_the_benchs_fault(lab: Lab, authority: Authority) -> None:
    with Server(lambda _: response(b"no", status="500 Internal Server Error")) as server:
        lab.forward("j179-1", 1, Upstream(server.url), answers=[Forge("signer")])
        answer = ask(lab, a_request(authority))
    assert (answer.status_code, answer.text) == (502, "the CA's answer cannot be signed anew\n")
    [fault] = [event for event in lab.events.since() if event.name is EventName.FAULT]
    assert "HTTP 500: no" in str(fault.details["text"])


@pytest.mark.parametrize(
    ("script", "polls"),
    [((Pend(), Issue()), 1), ((Pend(3), Issue()), 3), ((Pend(), Pend(), Issue()), 2), ((Pend(), HttpError(503), Issue()), 1)],
    ids=str,
)
def test_what_waited_goes_to_the_ca_once_it_is_settled(
    lab: Lab, authority: Authority, ca: RealCa, tmp_path: Path, script: tuple[Answer, ...], polls: int
) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=script, speaker=authority.speaker)
    with Transport(url(lab)) as transport:
        client = Client(transport)
        outcome = client.enrol(CSR, KEY)
        for _ in range(polls - 1):
            assert isinstance(outcome, Pending)
            outcome = client.poll(outcome)
        assert isinstance(outcome, Pending)
        assert ca.ledger == [], "the CA knows nothing of it yet"
        if HttpError(503) in script:
            with pytest.raises(ScepHttpError, match="503"):
                client.poll(outcome)
        issued = client.poll(outcome)
    assert isinstance(issued, Issued)
    assert ca.asked == ["PKCSReq"]
    assert [line.entry.message_type for line in lab.ledger.lines()][1:] == ["CertPoll"] * (len(lab.ledger.lines()) - 1)
    lines = (tmp_path / "lab" / "proxy" / "j179-1-1" / "exchanges.jsonl").read_text().splitlines()
    last: dict[str, Any] = json.loads(lines[-1])
    assert last["upstream"]["asked_for_what_waited"] is True
    assert last["files"]["answer"] is not None


def test_what_waited_can_be_rejected_and_the_ca_never_hears_of_it(lab: Lab, authority: Authority, ca: RealCa) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[Pend(), Reject("badTime"), Issue()], speaker=authority.speaker)
    outcome = enrol(lab, polls=1)
    assert isinstance(outcome, Rejected)
    assert outcome.fail_info is FailInfo.badTime
    assert ca.ledger == []
    assert isinstance(enrol(lab), Issued)


def test_asking_again_for_what_waits_counts_as_a_poll(lab: Lab, authority: Authority, ca: RealCa) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[Pend(2), Issue(), HttpError()], speaker=authority.speaker)
    statuses = [reply(lab, a_request(authority)).status for _ in range(3)]
    assert statuses == [PkiStatus.PENDING, PkiStatus.PENDING, PkiStatus.SUCCESS]
    assert ca.asked == ["PKCSReq"]


def test_what_waits_goes_on_waiting_while_the_ca_is_not_there(lab: Lab, authority: Authority, ca: RealCa, own_port: int) -> None:
    upstream = Upstream(f"http://127.0.0.1:{own_port}/scep")
    lab.forward("j179-1", 1, upstream, answers=[Pend(), Issue()], speaker=authority.speaker)
    assert reply(lab, a_request(authority)).status is PkiStatus.PENDING
    assert ask(lab, a_request(authority, MessageType.CertPoll)).status_code == 502
    with Server(by_endpoint(Endpoint(ca.service)), port=own_port):
        assert reply(lab, a_request(authority, MessageType.CertPoll)).status is PkiStatus.SUCCESS
    assert ca.asked == ["PKCSReq"]


def test_a_poll_of_what_the_ca_itself_holds_is_the_cas_and_takes_no_entry(lab: Lab, authority: Authority) -> None:
    real = RealCa(authority, Pend(2), Issue())
    with real.server:
        lab.forward("j179-1", 1, real.upstream, answers=[Issue(), HttpError(503)])
        assert isinstance(enrol(lab, polls=2), Issued)
        assert ask(lab, a_request(authority)).status_code == 503
    assert real.asked == ["PKCSReq", "CertPoll", "CertPoll"]


def test_a_request_that_is_broken_in_itself_takes_no_entry(lab: Lab, authority: Authority, ca: RealCa) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[HttpError(503)])
    broken = bytearray(a_request(authority))
    broken[-1] ^= 1
    assert reply(lab, bytes(broken)).fail_info is FailInfo.badMessageCheck
    assert ask(lab, a_request(authority)).status_code == 503


def test_a_renewal_takes_an_entry_as_a_first_request_does(lab: Lab, authority: Authority, ca: RealCa) -> None:
    lab.forward("j179-1", 1, ca.upstream, answers=[HttpError(500), HttpError(501)])
    assert ask(lab, a_request(authority)).status_code == 500
    assert ask(lab, a_request(authority, MessageType.RenewalReq)).status_code == 501


def test_a_speaker_other_than_who_signs_for_the_ca_is_told(lab: Lab) -> None:
    clock = ScaledClock()
    authority = Authority.create("Real CA", clock, ra=True)
    service = persona("rfc8894").service(authority, Admission(), clock=clock)
    with Server(by_endpoint(Endpoint(service))) as server:
        speaker = (authority.key, authority.certificate)
        lab.forward("j179-1", 1, Upstream(server.url), answers=[Forge("transactionID")], speaker=speaker)
        assert reply(lab, a_request(authority)).signature_valid
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=300)
    assert event is not None
    assert event.details["notes"] == "the CA signed as CN=Real CA RA,O=J100 bench, the speaker is CN=Real CA,O=J100 bench"
