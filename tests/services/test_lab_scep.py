from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.evidence import EventName, scep_path
from hil.scenario import Answer, Issue, Pend, Reject
from hil.scep import signers
from hil.scep.authority import self_signed
from hil.scep.build import build_request, new_nonce
from hil.scep.ca import Authority
from hil.scep.certificate import Certificate
from hil.scep.client import Client, Issued, Pending, Rejected
from hil.scep.csr import build_csr, read_csr
from hil.scep.http import ScepHttpError, Transport, TransportFault
from hil.scep.messages import FailInfo, MessageType, PkiStatus, read_message
from hil.scep.personas import PERSONAS, Admission, Persona
from hil.secret import Secret
from hil.services.events import Event
from hil.services.lab import Lab
from hil.services.ledger import write_ledger

KEY = rsa.generate_private_key(65537, 2048)
PASSWORD = "only-for-this-test"


def url(lab: Lab, device: str = "j179-1", slot: int = 1) -> str:
    return f"http://127.0.0.1:{lab.http_port}{scep_path(device, slot)}"


def csr(name: str = "19WZ1234567A") -> bytes:
    return build_csr(KEY, (("O", "Lab"), ("CN", name)), challenge_password=Secret(PASSWORD))


def answers(lab: Lab, device: str = "j179-1") -> list[Event]:
    return [event for event in lab.events.since() if event.name is EventName.SCEP_ANSWER and event.device == device]


def enrol(lab: Lab, device: str = "j179-1", slot: int = 1) -> object:
    with Transport(url(lab, device, slot)) as transport:
        return Client(transport).enrol(csr(), KEY, cipher="des-cbc", digest="sha256", identifier="CAIdentifier")


@pytest.mark.parametrize("slot", [1, 2, 3])
def test_each_slot_has_a_ca_of_its_own(lab: Lab, authority: Authority, slot: int) -> None:
    lab.script("j179-1", slot)
    outcome = enrol(lab, slot=slot)
    assert isinstance(outcome, Issued)
    assert outcome.certificate.signed_by(authority.certificate)
    last = lab.events.wait_for(lambda event: event.details.get("pki_status") == "SUCCESS", span=300)
    assert last is not None
    assert (last.device, last.slot) == ("j179-1", slot)


def test_events_say_what_was_asked_and_answered_and_no_secret(lab: Lab) -> None:
    lab.script("j179-1", 1, answers=[Reject("badTime"), Issue()])
    rejected, issued = enrol(lab), enrol(lab)
    assert isinstance(rejected, Rejected)
    assert isinstance(issued, Issued)
    last = lab.events.wait_for(lambda event: event.details.get("pki_status") == "SUCCESS", span=300)
    assert last is not None
    assert last.details["serial"] == f"{issued.certificate.serial:x}"
    assert last.details["transaction_id"] == issued.transaction_id
    operations = [event.details["operation"] for event in answers(lab)]
    assert operations == ["GetCACaps", "GetCACert", "PKIOperation"] * 2
    assert [e.details["operation"] for e in lab.events.since() if e.name is EventName.SCEP_REQUEST] == operations
    first = answers(lab)[2].details
    assert (first["message_type"], first["pki_status"], first["fail_info"]) == ("PKCSReq", "FAILURE", "badTime")
    assert first["subject"] == "CN=19WZ1234567A,O=Lab"
    assert answers(lab)[0].details["identifier"] == "CAIdentifier"
    assert PASSWORD not in json.dumps([event.to_json() for event in lab.events.since()])


@pytest.mark.parametrize(
    ("script", "polls"), [((Pend(), Issue()), 1), ((Pend(times=3), Issue()), 3), ((Pend(times=2), Reject("badRequest")), 2)]
)
def test_a_pending_request_is_polled_until_its_answer(lab: Lab, script: tuple[Answer, ...], polls: int) -> None:
    lab.script("j179-1", 1, answers=script)
    with Transport(url(lab)) as transport:
        client = Client(transport)
        outcome = client.enrol(csr(), KEY)
        for _ in range(polls):
            assert isinstance(outcome, Pending)
            outcome = client.poll(outcome)
    assert isinstance(outcome, Issued if isinstance(script[-1], Issue) else Rejected)
    assert len({line.entry.transaction_id for line in lab.ledger.lines()}) == 1
    assert [line.entry.message_type for line in lab.ledger.lines()] == ["PKCSReq"] + ["CertPoll"] * polls


def test_a_signer_may_ask_for_the_challenge_password(lab: Lab, authority: Authority) -> None:
    layers = (signers.challenge(Secret("another")),)
    lab.script("j179-1", 1, signer=signers.chain(*layers, to=signers.issue(authority)))
    outcome = enrol(lab)
    assert isinstance(outcome, Rejected)
    assert outcome.fail_info is FailInfo.badRequest


@pytest.mark.parametrize("persona", PERSONAS.values(), ids=list(PERSONAS))
def test_a_persona_takes_a_seat_with_its_own_script(lab: Lab, persona: Persona) -> None:
    clock = ScaledClock()
    authority = persona.authority("Played CA", clock, levels=2)
    admission = Admission(Secret(PASSWORD), signers.EndEntities(passwords={"19WZ1234567A": Secret(PASSWORD)}))
    password = admission.one_time.new(clock.now()) if persona.name == "ndes" else Secret(PASSWORD)
    service = persona.service(authority, admission, clock=clock, script=[Pend(), Issue()])
    lab.seat("j179-1", 1, persona.endpoint(service))
    request = build_csr(KEY, (("O", "Lab"), ("CN", "19WZ1234567A")), challenge_password=password)
    with Transport(url(lab)) as transport:
        client = Client(transport)
        outcome = client.enrol(request, KEY, identifier="CAIdentifier")
        assert isinstance(outcome, Pending)
        outcome = client.poll(outcome)
    assert isinstance(outcome, Issued)
    assert outcome.certificate.signed_by(authority.certificate)
    assert [line.entry.answer for line in lab.ledger.lines("j179-1", 1)] == ["PENDING", "SUCCESS"]
    last = lab.events.wait_for(lambda event: event.details.get("pki_status") == "SUCCESS", span=300)
    assert last is not None
    assert (last.details["method"], last.details["status"]) == ("GET" if persona.name == "draft" else "POST", 200)


def test_what_a_url_needed_allowance_for_is_told(lab: Lab) -> None:
    lab.script("j179-1", 1)
    blank = quote(base64.b64encode(b"\xfb\xef\xbe")).replace("%2B", "+")
    assert httpx.get(f"{url(lab)}?operation=PKIOperation&message={blank}").status_code == 400
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=300)
    assert event is not None
    assert event.details["notes"] == "a `+` is not percent-escaped in the URL"


def test_a_new_script_begins_at_its_first_answer(lab: Lab) -> None:
    lab.script("j179-1", 1, answers=[Issue(), Reject()])
    assert isinstance(enrol(lab), Issued)
    lab.script("j179-1", 1, answers=[Issue(), Reject()])
    assert isinstance(enrol(lab), Issued)


def test_the_ledger_is_on_disk_when_the_client_has_its_answer(lab: Lab, tmp_path: Path) -> None:
    lab.script("j179-1", 2)
    lab.script("j139-1", 1)
    outcome = enrol(lab, slot=2)
    enrol(lab, device="j139-1")
    assert isinstance(outcome, Issued)
    written = [json.loads(line) for line in (tmp_path / "lab" / "ca-ledger.jsonl").read_text().splitlines()]
    assert [(line["device"], line["slot"], line["answer"]) for line in written] == [
        ("j179-1", 2, "SUCCESS"),
        ("j139-1", 1, "SUCCESS"),
    ]
    assert base64.b64decode(written[0]["issued"]) == outcome.certificate.der
    write_ledger(lab.ledger.lines("j179-1", 2), tmp_path / "one.jsonl")
    assert [json.loads(line) for line in (tmp_path / "one.jsonl").read_text().splitlines()] == written[:1]


def test_enrolments_at_once_do_not_mix(lab: Lab) -> None:
    devices = [f"j179-{number}" for number in range(1, 7)]
    outcomes: dict[str, object] = {}
    for device in devices:
        lab.script(device, 1)

    def run(device: str) -> None:
        with Transport(url(lab, device)) as transport:
            outcomes[device] = Client(transport).enrol(csr(device), KEY)

    threads = [threading.Thread(target=run, args=(device,)) for device in devices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for device in devices:
        outcome = outcomes[device]
        assert isinstance(outcome, Issued)
        assert outcome.certificate.subject == f"CN={device},O=Lab"
        [line] = lab.ledger.lines(device)
        assert line.entry.serial == f"{outcome.certificate.serial:x}"


def a_request(lab: Lab, authority: Authority) -> bytes:
    return build_request(
        MessageType.PKCSReq,
        csr(),
        signer=self_signed(read_csr(csr()).subject_der, KEY, authority.certificate.not_before),
        key=KEY,
        recipient=authority.certificate,
        transaction_id="ABC123",
        sender_nonce=new_nonce(),
        digest="sha1",
        cipher="des-cbc",
    )


def _folded(text: str) -> str:
    return "%0D%0A".join(re.findall(".{1,64}", text)).replace("+", "%2B")


@pytest.mark.parametrize(
    "spelled",
    [
        lambda text: quote(text, safe=""),
        lambda text: text,
        lambda text: text.replace("+", "%20"),
        lambda text: quote(text.rstrip("="), safe=""),
        _folded,
        lambda text: text.replace("+", "-").replace("/", "_"),
    ],
    ids=["escaped", "bare", "spaces", "no padding", "folded", "base64url"],
)
def test_a_pki_operation_by_get_is_read_however_it_is_spelled(
    lab: Lab, authority: Authority, spelled: Callable[[str], str]
) -> None:
    lab.script("j179-1", 1)
    text = base64.b64encode(a_request(lab, authority)).decode()
    assert "+" in text, "the request must show the difference"
    answer = httpx.get(httpx.URL(f"{url(lab)}?operation=PKIOperation&message={spelled(text)}"))
    assert answer.headers["Content-Type"] == "application/x-pki-message"
    assert answer.headers["Connection"] == "close"
    reply = read_message(answer.content, keys=(KEY,))
    assert (reply.status, reply.transaction_id) == (PkiStatus.SUCCESS, "ABC123")


def test_what_is_no_base64_is_refused_with_400(lab: Lab) -> None:
    lab.script("j179-1", 1)
    answer = httpx.get(f"{url(lab)}?operation=PKIOperation&message=%00%01")
    assert answer.status_code == 400
    event = lab.events.wait_for(lambda event: event.name is EventName.SCEP_ANSWER, span=300)
    assert event is not None
    assert "base64" in str(event.details["problem"])


def test_octets_that_are_no_pki_message_are_refused_and_on_the_ledger(lab: Lab) -> None:
    lab.script("j179-1", 1)
    with Transport(url(lab)) as transport, pytest.raises(ScepHttpError, match="400"):
        transport.pki_operation(b"\x30\x03\x02\x01\x01", post=True)
    [line] = lab.ledger.lines("j179-1", 1)
    assert line.entry.answer is None
    assert line.entry.problem is not None


@pytest.mark.parametrize("query", ["", "?operation=", "?operation=GetEverything"])
def test_an_unknown_operation_is_refused(lab: Lab, query: str) -> None:
    lab.script("j179-1", 1)
    assert httpx.get(url(lab) + query).status_code == 400


@pytest.mark.parametrize("path", ["/scep/j179-9/1/pkiclient.exe", "/scep/j179-1/2/pkiclient.exe", "/scep/", "/scep/a/b/c/d"])
def test_a_scep_path_nobody_has_is_a_stray(lab: Lab, path: str) -> None:
    lab.script("j179-1", 1)
    assert httpx.get(f"http://127.0.0.1:{lab.http_port}{path}?operation=GetCACaps").status_code == 404
    event = lab.events.wait_for(lambda event: event.name is EventName.STRAY, span=300)
    assert event is not None
    assert (event.device, event.details["reason"]) == (None, "SCEP path unknown")


def test_another_devices_path_is_a_stray_and_uses_up_no_answer(lab: Lab) -> None:
    lab.place("j179-1", "127.0.0.1")
    lab.place("j179-2", "127.0.0.2")
    lab.script("j179-1", 1, answers=[Issue(), Reject()])
    with Transport(url(lab), local_address="127.0.0.2") as transport, pytest.raises(ScepHttpError, match="404"):
        Client(transport).enrol(csr(), KEY)
    assert isinstance(enrol(lab), Issued)
    assert lab.events.wait_for(lambda event: event.details.get("reason") == "another's SCEP path", span=300)


class Broken:
    def sign(self, request: signers.CertificateRequest) -> Certificate:
        raise ZeroDivisionError(f"a signer with a bug, asked for {request.csr.subject}")


def test_a_bug_of_the_bench_is_a_fault_and_not_silence(lab: Lab) -> None:
    lab.script("j179-1", 1, signer=Broken())
    with Transport(url(lab)) as transport, pytest.raises(ScepHttpError, match="500"):
        Client(transport).enrol(csr(), KEY)
    event = lab.events.wait_for(lambda event: event.name is EventName.FAULT, span=300)
    assert event is not None
    assert "a signer with a bug" in str(event.details["text"])


def test_a_port_of_its_own_refuses_and_listens_again_for_one_phone_alone(lab: Lab) -> None:
    for phone in ("j179-1", "j179-2"):
        lab.script(phone, 1)
    ports = {phone: lab.own_ports(phone, [1])[1] for phone in ("j179-1", "j179-2")}
    assert len({lab.http_port, *ports.values()}) == 3

    def at(phone: str) -> tuple[str, ...]:
        with Transport(f"http://127.0.0.1:{ports[phone]}{scep_path(phone, 1)}") as transport:
            return transport.get_ca_caps("CAIdentifier")

    for _ in range(2):
        assert at("j179-1")
        lab.refuse("j179-1", refuses=True)
        with pytest.raises(TransportFault, match="Connection refused"):
            at("j179-1")
        assert at("j179-2")
        lab.refuse("j179-1", refuses=False)
    assert at("j179-1")
    names = [event.name for event in lab.events.since() if event.name in (EventName.PORT_REFUSES, EventName.PORT_LISTENS)]
    assert names == [EventName.PORT_REFUSES, EventName.PORT_LISTENS] * 2


def test_ports_of_ones_own_are_given_back(lab: Lab) -> None:
    port = lab.own_ports("j179-1", [1, 3])[3]
    assert lab.own_ports("j179-1", []) == {}
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
