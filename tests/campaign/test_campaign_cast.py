"""Who plays the CA behind a slot: personas on a real lab, whom they know beforehand, and how often they serve them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.bench.testbed import Testbed, load
from hil.campaign.cast import Cast, check_ca, known
from hil.campaign.plan import confirmation, plan
from hil.campaign.render import Server, asked_profiles
from hil.campaign.root import standing_authority
from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.evidence import EventName, scep_path
from hil.identity import Identity
from hil.judge.keys import keys_in
from hil.scenario import ChangeSettings, Reject, Scenario
from hil.scep.client import Client, Issued, Outcome, Rejected
from hil.scep.csr import build_csr
from hil.scep.http import Transport
from hil.scep.messages import read_message
from hil.scep.personas import PERSONAS
from hil.services.lab import Lab
from hil.settings.profiles import Profile

VIRTUAL = Path(__file__).parents[2] / "testbeds" / "virtual.yaml"
IDENTITY = Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A")
KEY = rsa.generate_private_key(65537, 2048)
ENTITY = Scenario((("MYCERTCN", "entity $MACADDR"), ("SCEPPASSWORD", "0123456789ABCDEF")), slot=2)


class Theatre(NamedTuple):
    cast: Cast
    lab: Lab
    keys: Path


@pytest.fixture
def theatre(tmp_path: Path) -> Iterator[Callable[..., Theatre]]:
    """A cast on a lab of its own, for a testbed with a persona or, where it is empty, without; told how a class travels."""
    clock = ScaledClock(rate=30.0)
    own = standing_authority(tmp_path / "state" / "ca", clock)
    keys = tmp_path / "run" / "keys"
    own.save(keys)
    with Lab(clock=clock, authority=own, state=tmp_path / "lab") as lab:

        def opened(persona: str, class_in: str | None = None) -> Theatre:
            ca = SimpleNamespace(persona=persona or None, class_in=class_in, external=None)
            testbed = SimpleNamespace(ca=ca, phones=[SimpleNamespace(name="j179-1")])
            bench: Any = SimpleNamespace(testbed=testbed, state=tmp_path / "state", clock=clock)
            return Theatre(Cast(bench, lab, keys), lab, keys)

        yield opened


def asked(scenario: Scenario, slot: int = 2) -> tuple[Profile, ...]:
    sitting = plan([scenario], None).sittings[0]
    return asked_profiles(sitting.boots, slot, "j179-1", IDENTITY, Server("127.0.0.1", 80))


def enrol(
    lab: Lab, profile: Profile, device: str = "j179-1", *, query: str = "", agent: str = "a client", unit: str = "a lab"
) -> Outcome:
    csr = build_csr(KEY, (("OU", unit), *profile.subject), challenge_password=profile.challenge_password)
    url = f"http://127.0.0.1:{lab.http_port}{scep_path(device, profile.slot)}{query}"
    with Transport(url, user_agent=agent) as transport:
        return Client(transport).enrol(csr, KEY, identifier=profile.ca_identifier)


@pytest.mark.parametrize("name", PERSONAS)
def test_each_persona_knows_whom_the_settings_make_it_serve(theatre: Callable[[str], Theatre], name: str) -> None:
    stage, (profile,) = theatre(""), asked(ENTITY)
    stage.cast.seat("j179-1", 2, wanted=name, asked=[profile])
    assert isinstance(enrol(stage.lab, profile), Issued)


def test_an_end_entity_is_served_once_until_a_step_sets_it_to_new(theatre: Callable[[str], Theatre]) -> None:
    stage, (profile,) = theatre(""), asked(ENTITY)
    for device in ("j179-1", "j179-1.reference", "j179-2"):
        stage.cast.seat(device, 2, wanted="system-manager", asked=[profile])
        assert isinstance(enrol(stage.lab, profile, device), Issued)
        assert isinstance(enrol(stage.lab, profile, device), Rejected)
    stage.cast.set_new("j179-1")
    assert isinstance(enrol(stage.lab, profile), Issued)
    assert isinstance(enrol(stage.lab, profile, "j179-1.reference"), Issued)
    assert isinstance(enrol(stage.lab, profile, "j179-2"), Rejected), "another phone's entity"
    assert [event.device for event in stage.lab.events.since() if event.name is EventName.ENTITY_NEW] == ["j179-1"]


def test_an_entity_class_is_served_by_its_password_alone_and_without_a_status(theatre: Callable[[str], Theatre]) -> None:
    stage, (plain,) = theatre(""), asked(ENTITY)
    member = replace(plain, entity_class="lab phones", common_name="anybody", subject=(("CN", "anybody"),))
    stage.cast.seat("j179-1", 2, wanted="system-manager", asked=[member])
    assert isinstance(enrol(stage.lab, member), Issued)
    assert isinstance(enrol(stage.lab, member), Issued)
    assert isinstance(enrol(stage.lab, replace(member, challenge_password=None)), Rejected)


WAYS: dict[str, dict[str, Any]] = {
    "header user-agent": {"agent": "AVAYA (lab phones)"},
    "query entityclass": {"query": "?EntityClass=lab%20phones"},
    "CSR subject": {"unit": "lab phones"},
    "": {},
}


@pytest.mark.parametrize("place", WAYS)
def test_an_entity_class_has_to_stand_where_the_testbed_says(theatre: Callable[..., Theatre], place: str) -> None:
    stage, (plain,) = theatre("", place), asked(ENTITY)
    member = replace(plain, entity_class="lab phones", common_name="anybody", subject=(("CN", "anybody"),))
    stage.cast.seat("j179-1", 2, wanted="system-manager", asked=[member])
    taken = {name: isinstance(enrol(stage.lab, member, **way), Issued) for name, way in WAYS.items()}
    assert taken == {name: name == place or not place for name in WAYS}
    refused = {event.details.get("problem") for event in stage.lab.events.since()} - {None}
    assert refused == ({f"no entity class in its place, {place}"} if place else set())


def test_the_reference_need_not_say_how_its_entity_class_travels(theatre: Callable[..., Theatre]) -> None:
    stage, (plain,) = theatre("", "header x-class"), asked(ENTITY)
    member = replace(plain, entity_class="lab phones")
    stage.cast.seat("j179-1.reference", 2, wanted="system-manager", asked=[member])
    assert isinstance(enrol(stage.lab, member, "j179-1.reference"), Issued)


def test_where_the_testbed_names_the_persona_its_entities_are_always_new(theatre: Callable[[str], Theatre]) -> None:
    stage, (profile,) = theatre("system-manager"), asked(ENTITY)
    stage.cast.seat("j179-1", 2, asked=[profile])
    assert [type(enrol(stage.lab, profile)) for _ in range(3)] == [Issued] * 3
    assert (stage.cast.role(""), stage.cast.role("ndes")) == ("system-manager", "ndes")


def test_a_script_plays_at_a_persona_too(theatre: Callable[[str], Theatre]) -> None:
    stage, (profile,) = theatre(""), asked(ENTITY)
    stage.cast.seat("j179-1", 2, answers=[Reject("badTime")], wanted="ejbca", asked=[profile])
    outcome = enrol(stage.lab, profile)
    assert isinstance(outcome, Rejected)
    assert outcome.fail_info is not None
    assert outcome.fail_info.name == "badTime"


def test_without_a_persona_whoever_asks_gets_a_certificate(theatre: Callable[[str], Theatre]) -> None:
    stage, (profile,) = theatre(""), asked(ENTITY)
    stage.cast.seat("j179-1", 2)
    assert [type(enrol(stage.lab, profile)) for _ in range(2)] == [Issued] * 2


@pytest.mark.parametrize("name", PERSONAS)
def test_what_was_sent_to_a_persona_is_opened_with_the_keys_of_the_run(
    theatre: Callable[[str], Theatre], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sent: list[bytes] = []
    operation = Transport.pki_operation
    monkeypatch.setattr(Transport, "pki_operation", lambda self, m, *, post: sent.append(m) or operation(self, m, post=post))
    stage, (profile,) = theatre(""), asked(ENTITY)
    before = keys_in(stage.keys)
    stage.cast.seat("j179-1", 2, wanted=name, asked=[profile])
    assert isinstance(enrol(stage.lab, profile), Issued)
    assert not read_message(sent[0], keys=before).decrypted
    stored = shutil.copytree(stage.keys, tmp_path / "stored")
    assert read_message(sent[0], keys=keys_in(stored)).decrypted


def test_a_personas_ca_is_the_same_in_every_run(theatre: Callable[[str], Theatre]) -> None:
    (profile,) = asked(ENTITY)
    issuers = set()
    for _ in range(2):
        stage = theatre("")
        shutil.rmtree(stage.keys / "ndes", ignore_errors=True)  # another run has another folder
        stage.cast.seat("j179-1", 2, wanted="ndes", asked=[profile])
        outcome = enrol(stage.lab, profile)
        assert isinstance(outcome, Issued)
        issuers.add(outcome.certificate.issuer)
    assert issuers == {"CN=J100 bench CA as ndes,O=J100 bench"}


def test_every_boot_of_a_slot_has_its_entity() -> None:
    change = ChangeSettings((("MYCERTCN", "another $SERIALNO"),))
    scenario = Scenario(ENTITY.settings, slot=2, steps=(change,))
    assert [profile.common_name for profile in asked(scenario)] == ["entity c81fea83e85a", "another 19WZ1234567A"]
    sitting = plan([scenario], None).sittings[0]
    assert asked_profiles(sitting.boots, 3, "j179-1", IDENTITY, Server("127.0.0.1", 80)) == ()
    assert len(confirmation("again", scenario, sitting).boots) == 3


def test_an_unknown_persona_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"persona: unknown CA persona smgr.*system-manager"):
        known("smgr")
    file = tmp_path / "bench.yaml"
    file.write_text(VIRTUAL.read_text() + "\nca: {persona: smgr}\n")
    testbed: Testbed = load(file)
    with pytest.raises(Misuse, match=rf"{file}.*ca\.persona.*use one of rfc8894"):
        check_ca(testbed)
    check_ca(load(VIRTUAL))


def test_a_place_that_no_request_has_is_refused_with_those_there_are(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(VIRTUAL.read_text() + "\nca: {class_in: Header X-Class}\n")
    with pytest.raises(Misuse, match=rf"{file}.*ca\.class_in.*header NAME"):
        check_ca(load(file))


def test_a_testbed_may_name_the_persona(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(VIRTUAL.read_text() + "\nca: {persona: ndes}\n")
    assert load(file).ca.persona == "ndes"
    file.write_text(VIRTUAL.read_text() + "\nca: {personna: ndes}\n")
    with pytest.raises(Misuse, match="personna"):
        load(file)
