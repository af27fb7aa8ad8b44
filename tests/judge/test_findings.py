"""Each rule of the table: what conforms, what deviates, and what is recorded and held against nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from made_evidence import NAME, Change, but, fresh_ask, key, never, phone, reference

from hil.campaign.plan import PlannedBoot
from hil.capture.transcript import Transcript
from hil.errors import LabFault, Misuse
from hil.judge.findings import BY_HAND, Finding, applicable, compare, known_fact, require_sound_reference, sight
from hil.judge.observation import Observation
from hil.judge.rules import DURING_BOOT_SECONDS, RULES, Told
from hil.judge.seen import Where
from hil.judge.sitting import Sitting
from hil.judge.verdict import Inconclusive, NotObserved, Verdict
from hil.scenario import ChangeSettings, Issue, PassTime, Reject, Restart, Scenario, Step, TellTime
from hil.scep.messages import MessageType
from hil.secret import Secret

Make = Callable[..., Sitting]
PLAIN = Scenario(slot=1)
DN = Scenario((("MYCERTDN", "/C=US/ST=NJ/O=Lab"), ("SCEPPASSWORD", "swordfish")), slot=1)
OTHER = key(2048, 99)
DELETED, ALLOWED = ChangeSettings((("DELETE_SCEP_CERT", "1"),)), ChangeSettings((("DELETE_SCEP_CERT", "0"),))


def finding(made: Sitting, fact: str, scenario: Scenario) -> Finding:
    slot = made.manifest.scenarios[0].slot
    told = made.told(NAME, slot, scenario)
    return compare(fact, made.of(NAME, slot), made.of(f"{NAME}.reference", slot), told)


OF_RENEWAL = {fact for fact in RULES if fact.startswith(("renewal.", "next_renewal."))}
OF_SERVICES = {fact for fact in RULES if fact.startswith("services.")}
OF_PORTS = {fact for fact in RULES if fact.startswith("port.")}
UNGRANTED = {fact for fact in RULES if fact.startswith("ungranted.")}
OF_LATER_BOOTS = {"enrolments_after_restart", "asked_after_restart"}
NOT_ALONE = {"profile_order"}
"""Facts that one profile in one boot cannot show."""
UNREADABLE = OF_RENEWAL | OF_SERVICES | OF_PORTS | UNGRANTED | NOT_ALONE | BY_HAND


@pytest.mark.parametrize("fact", [fact for fact in RULES if fact not in {"challenges_sent", *UNREADABLE}])
def test_a_phone_that_keeps_to_the_documents_deviates_in_no_fact(sitting: Make, fact: str) -> None:
    scenario = Scenario(slot=1, steps=(Restart(),))
    found = finding(sitting(scenario), fact, scenario)
    assert found.phone.missing is None, "a fact of the table that no observation has"
    assert found.verdict is (Verdict.CHARACTERISED if RULES[fact].expected is None else Verdict.CONFORMS)
    assert isinstance(found.phone.where, Where) or fact == "enrolments_after_restart"


@pytest.mark.parametrize(
    ("fact", "scenario", "change", "value", "expected"),
    [
        ("contacted", PLAIN, never, False, True),
        ("contacted", Scenario((("MYCERTURL", ""),), slot=1), None, False, False),
        ("csr.key_bits", PLAIN, but(key=key(1024)), 1024, 2048),
        ("csr.key_bits", Scenario((("MYCERTKEYLEN", "1024"),), slot=1), but(key=key(1024)), 1024, 2048),
        ("csr.common_name", PLAIN, but(subject=(("CN", "19wz1234567a"),)), "19wz1234567a", "19WZ1234567A"),
        ("csr.dn_parts", PLAIN, but(subject=(("O", "Avaya"), ("CN", "x"))), (("O", "Avaya"),), ()),
        ("csr.challenge", PLAIN, but(challenge=None), None, Secret("19WZ1234567A")),
        ("csr.challenge", DN, but(challenge=Secret("swordfis")), Secret("swordfis"), Secret("swordfish")),
        ("csr.signature_valid", PLAIN, but(spoiled=True), False, True),
        ("ca.identifier", PLAIN, but(identifier=""), "", "CAIdentifier"),
        ("ca.identifier", PLAIN, but(identifier=None), "", "CAIdentifier"),
        ("request.cipher_family", PLAIN, but(cipher="aes-256-cbc"), "AES-256", "DES"),
        ("request.cipher_family", Scenario((("SCEPENCALG", "1"),), slot=1), but(cipher="des-cbc"), "DES", "AES-256"),
        ("request.cipher_family", Scenario((("SCEPENCALG", "1"),), slot=1), but(cipher="aes-128-cbc"), "aes-128-cbc", "AES-256"),
        ("request.nonce_fresh", PLAIN, but(nonce=b""), False, True),
        ("timing.idle_before_contact", PLAIN, but(after=600.5), 600.5, DURING_BOOT_SECONDS),
    ],
)
def test_what_breaks_a_rule_deviates(
    sitting: Make, fact: str, scenario: Scenario, change: Change | None, value: object, expected: object
) -> None:
    made = sitting(scenario, phone_=phone(*([change] if change else [])))
    found = finding(made, fact, scenario)
    breaks = found.phone.value != found.expected
    assert found.verdict is (Verdict.DEVIATES if breaks else Verdict.CONFORMS)
    assert breaks is (change is not None)
    assert found.phone.value == value
    assert found.expected == expected


@pytest.mark.parametrize("cipher", ["des-cbc", "des-ede3-cbc"])
def test_des_may_be_single_or_triple(sitting: Make, cipher: str) -> None:
    made = sitting(PLAIN, phone_=phone(but(cipher=cipher)))
    assert finding(made, "request.cipher_family", PLAIN).verdict is Verdict.CONFORMS
    assert finding(made, "request.content_cipher", PLAIN).verdict is Verdict.CHARACTERISED


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (but(digest="sha1"), "request.digest"),
        (but(digest="sha1"), "csr.signature_digest"),
        (but(method="GET"), "request.http_method"),
        (but(nonce=b"12345678"), "request.nonce_length"),
        (but(transaction_id="1234567890"), "request.transaction_id_form"),
        (but(capabilities=False), "ca.capabilities_asked"),
        (but(subject=(("CN", "19WZ1234567A"), ("O", "Lab"))), "csr.cn_position"),
        (but(subject=(("O", "Lab"), ("C", "US"), ("CN", "19WZ1234567A"))), "csr.dn"),
        (but(signs=OTHER), "csr.key_matches_signer"),
        (but(message_type=MessageType.RenewalReq), "request.message_type"),
    ],
)
def test_a_habit_that_no_document_names_is_never_held_against_the_phone(sitting: Make, change: Change, fact: str) -> None:
    found = finding(sitting(PLAIN, phone_=phone(change)), fact, PLAIN)
    assert found.phone.value != found.reference.value
    assert found.verdict is Verdict.CHARACTERISED
    assert found.expected is None


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("0123456789", "10 decimal digits"),
        ("00ff00ff", "8 hex digits"),
        ("ABCDEF", "6 hex digits"),
        ("xyz-9", "5 characters"),
    ],
)
def test_the_form_of_a_transaction_id(sitting: Make, text: str, form: str) -> None:
    made = sitting(PLAIN, phone_=phone(but(transaction_id=text)))
    assert made.of(NAME, 1).request.transaction_id_form == form


@pytest.mark.parametrize(
    ("subject", "position"),
    [
        ((("CN", "a"),), "only"),
        ((("CN", "a"), ("O", "b")), "first"),
        ((("O", "b"), ("CN", "a")), "last"),
        ((("C", "US"), ("CN", "a"), ("O", "b")), "between"),
    ],
)
def test_the_place_of_the_common_name(sitting: Make, subject: tuple[tuple[str, str], ...], position: str) -> None:
    assert sitting(PLAIN, phone_=phone(but(subject=subject))).of(NAME, 1).csr.cn_position == position


def test_two_common_names_are_none(sitting: Make) -> None:
    made = sitting(PLAIN, phone_=phone(but(subject=(("CN", "a"), ("CN", "b")))))
    with pytest.raises(NotObserved, match="2 common names"):
        _ = made.of(NAME, 1).csr.common_name


class TestNotObserved:
    @pytest.mark.parametrize("fact", ["csr.key_bits", "request.digest", "ca.identifier", "timing.contact_after_settings"])
    def test_a_fact_that_a_whole_capture_lacks_deviates(self, sitting: Make, fact: str) -> None:
        found = finding(sitting(PLAIN, phone_=phone(never)), fact, PLAIN)
        assert found.verdict is (Verdict.CHARACTERISED if RULES[fact].expected is None else Verdict.DEVIATES)
        assert "j179-1: no " in str(found.phone.missing)
        assert found.phone.value is None

    @pytest.mark.parametrize("group", ["csr", "request", "ca", "timing", "where", "enrolments_after_restart"])
    def test_reading_it_is_an_assertion(self, sitting: Make, group: str) -> None:
        observed = sitting(PLAIN, phone_=phone(never)).of(NAME, 1)
        with pytest.raises(AssertionError, match="j179-1"):
            getattr(observed, group)

    def test_a_password_in_an_envelope_that_nobody_can_open_is_not_taken_for_none(self, sitting: Make) -> None:
        scenario = Scenario((("SCEPPASSWORD", ""),), slot=1, alone=True)
        made = sitting(scenario, phone_=phone(extra=[fresh_ask(1, content=b"no CSR")]))
        assert finding(made, "challenges_sent", scenario).verdict is Verdict.DEVIATES


class TestPasswordThatNobodyTypes:
    scenario = Scenario((("SCEPPASSWORD", ""),), slot=1, alone=True)

    def test_no_challenge_conforms(self, sitting: Make) -> None:
        assert finding(sitting(self.scenario), "challenges_sent", self.scenario).verdict is Verdict.CONFORMS

    @pytest.mark.parametrize(("challenge", "verdict"), [(Secret("made up"), Verdict.DEVIATES), (None, Verdict.CONFORMS)])
    def test_one_that_was_made_up_deviates(self, sitting: Make, challenge: Secret | None, verdict: Verdict) -> None:
        made = sitting(self.scenario, phone_=phone(extra=[fresh_ask(1, challenge=challenge)]))
        assert finding(made, "challenges_sent", self.scenario).verdict is verdict


class TestRestarts:
    @pytest.mark.parametrize(
        ("steps", "expected"),
        [
            ((Restart(),), 0),
            ((Restart(), Restart()), 0),
            ((DELETED,), 0),
            ((DELETED, ALLOWED), 1),
            ((DELETED, Restart(), ALLOWED), 1),
            ((DELETED, ChangeSettings((("MYCERTCAID", "x"),)), ALLOWED), 1),
            ((DELETED, ALLOWED, DELETED, ALLOWED), 2),
            ((ALLOWED, DELETED), 0),
            ((replace(DELETED, slot=1), replace(ALLOWED, slot=1)), 1),
            ((replace(DELETED, slot=2), replace(ALLOWED, slot=2)), 0),
        ],
    )
    def test_one_enrolment_for_each_certificate_that_was_deleted(
        self, sitting: Make, steps: tuple[Restart | ChangeSettings, ...], expected: int
    ) -> None:
        scenario = Scenario(slot=1, steps=steps)
        found = finding(sitting(scenario), "enrolments_after_restart", scenario)
        assert (found.expected, found.phone.value, found.verdict) == (expected, expected, Verdict.CONFORMS)

    def test_a_second_enrolment_deviates(self, sitting: Make) -> None:
        scenario = Scenario(slot=1, steps=(Restart(),))
        found = finding(sitting(scenario, phone_=phone(keeps=False)), "enrolments_after_restart", scenario)
        assert (found.phone.value, found.verdict) == (1, Verdict.DEVIATES)

    def test_a_certificate_that_was_kept_deviates(self, sitting: Make) -> None:
        scenario = Scenario(slot=1, steps=(DELETED, ALLOWED))
        once = iter([True])
        made = sitting(scenario, phone_=phone(lambda ask: ask if next(once, None) else None))
        found = finding(made, "enrolments_after_restart", scenario)
        assert (found.phone.value, found.verdict) == (0, Verdict.DEVIATES)


class TestApplicable:
    def facts(self, sitting: Make, scenario: Scenario, restarts: bool = False) -> set[str]:
        made = sitting(scenario, phone_=phone(never), reference_=reference(never))
        return set(applicable(made.told(NAME, 1, scenario), restarts))

    def test_a_profile_shows_all_but_what_needs_a_restart_or_a_person(self, sitting: Make) -> None:
        shown = set(RULES) - {"challenges_sent"} - OF_RENEWAL - OF_SERVICES - OF_PORTS - UNGRANTED - BY_HAND
        assert self.facts(sitting, PLAIN) == shown - OF_LATER_BOOTS
        assert self.facts(sitting, PLAIN, restarts=True) == shown

    def test_renewal_shows_where_the_first_certificate_falls_due(self, sitting: Make) -> None:
        due, watched = Issue(backdated=328.4), (PassTime(3 * 86_400.0),)
        first = {fact for fact in OF_RENEWAL if fact.startswith("renewal.")} - {"renewal.hours_over_restart"}
        succeeds = Scenario(slot=1, ca=(due, Issue()), steps=watched)
        assert self.facts(sitting, succeeds) & OF_RENEWAL == first - {"renewal.intervals"}
        fails = Scenario(slot=1, ca=(due, Reject()), steps=watched)
        assert self.facts(sitting, fails) & OF_RENEWAL == first - {"renewal.attempts_after_success", "renewal.renewed"}
        assert self.facts(sitting, Scenario(slot=1, ca=(due, Issue()))) & OF_RENEWAL == set()

    def test_what_was_not_granted_shows_what_follows(self, sitting: Make) -> None:
        refused = Scenario(slot=1, ca=(Reject(), Issue()))
        assert self.facts(sitting, refused) & UNGRANTED == UNGRANTED

    def test_a_time_that_is_told_makes_a_renewal_of_what_a_restart_would_not_repeat(self, sitting: Make) -> None:
        told = (TellTime(30 * 86_400.0), Restart(), PassTime(3600.0))
        due = Scenario(slot=1, ca=(Issue(100, 65), Issue()), steps=told)
        assert {"renewal.validity_passed"} <= self.facts(sitting, due, restarts=True)
        assert "enrolments_after_restart" not in self.facts(sitting, due, restarts=True)

    def test_who_is_told_no_time_is_not_held_to_an_instant(self, sitting: Make) -> None:
        untold = (TellTime(None), Restart(), PassTime(3 * 86_400.0))
        shown = self.facts(sitting, Scenario(slot=1, ca=(Issue(100, 89), Issue()), steps=untold), restarts=True)
        assert "renewal.message_type" in shown
        assert not shown & {"renewal.validity_passed", "renewal.renewed", "renewal.days_left"}

    def test_a_renewal_is_no_second_enrolment(self, sitting: Make) -> None:
        due = Scenario(slot=1, ca=(Issue(backdated=328.4), Reject()), steps=(PassTime(3 * 86_400.0), Restart()))
        shown = self.facts(sitting, due, restarts=True)
        assert "enrolments_after_restart" not in shown
        assert "renewal.hours_over_restart" in shown
        assert "renewal.intervals" not in shown

    def test_no_profile_shows_whether_there_was_contact(self, sitting: Make) -> None:
        assert self.facts(sitting, Scenario((("MYCERTURL", ""),), slot=1)) == {"contacted"}

    def test_an_empty_password_shows_whether_one_was_made_up(self, sitting: Make) -> None:
        assert self.facts(sitting, Scenario((("SCEPPASSWORD", ""),), slot=1)) == {"challenges_sent"}

    def test_a_certificate_being_deleted_shows_nothing_documented(self, sitting: Make) -> None:
        assert self.facts(sitting, Scenario((("DELETE_SCEP_CERT", "1"),), slot=1)) == set()

    def test_who_was_refused_may_ask_again(self, sitting: Make) -> None:
        refused = Scenario(slot=1, ca=(Reject(), Issue()), steps=(Restart(),))
        assert "enrolments_after_restart" not in self.facts(sitting, refused, restarts=True)


def month_ahead(boot: PlannedBoot, transcript: Transcript) -> Transcript:
    """SNTP tells a time a month ahead after a restart."""
    ahead = timedelta(days=30 if boot.kind == "restart" else 0)
    told = [replace(reply, transmit=reply.transmit + ahead) for reply in transcript.time_replies]
    return replace(transcript, time_replies=tuple(told))


class TestSoundReference:
    def judge(self, made: Sitting, scenario: Scenario) -> None:
        device = f"{NAME}.reference"
        require_sound_reference(made.of(device, 1), made.told(device, 1, scenario), restarts=bool(scenario.steps))

    @pytest.mark.parametrize("scenario", [PLAIN, DN, Scenario(slot=1, steps=(DELETED, ALLOWED))])
    def test_one_that_keeps_to_the_documents_is_sound(self, sitting: Make, scenario: Scenario) -> None:
        self.judge(sitting(scenario, phone_=phone(never)), scenario)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (never, "breaks SCEP page, MYCERTURL: contacted is False"),
            (but(key=key(1024)), "breaks SCEP page, MYCERTKEYLEN: csr.key_bits is 1024 where 2048 is due"),
            (but(spoiled=True), "breaks RFC 2986 section 4.2"),
            (but(nonce=b""), "breaks RFC 8894 section 3.2.1.5"),
        ],
    )
    def test_one_that_does_not_is_a_fault_of_the_bench(self, sitting: Make, change: Change, said: str) -> None:
        with pytest.raises(LabFault, match=said) as fault:
            self.judge(sitting(PLAIN, reference_=reference(change)), PLAIN)
        assert fault.value.seen == "j179-1.reference"

    @pytest.mark.parametrize(
        "steps", [(TellTime(30 * 86_400.0), Restart(), PassTime(14_400.0)), (PassTime(3 * 86_400.0),)], ids=["told", "lived"]
    )
    def test_by_a_time_that_nobody_was_seen_to_tell_no_one_is_judged(self, sitting: Make, steps: tuple[Step, ...]) -> None:
        def silent(_: PlannedBoot, transcript: Transcript) -> Transcript:
            return replace(transcript, time_replies=())

        scenario = Scenario(slot=1, ca=(Issue(100, 65 if len(steps) > 1 else 89), Issue()), steps=steps)
        with pytest.raises(Inconclusive, match="SNTP told the phone no time in boot"):
            self.judge(sitting(scenario, transcribed=silent), scenario)
        with pytest.raises(LabFault, match="MYCERTRENEW"):
            self.judge(sitting(scenario, transcribed=month_ahead), scenario)

    def test_its_habits_are_its_own(self, sitting: Make) -> None:
        self.judge(sitting(PLAIN, reference_=reference(but(method="GET", digest="sha1", cipher="des-ede3-cbc"))), PLAIN)

    def test_no_password_is_told(self, sitting: Make) -> None:
        with pytest.raises(LabFault) as fault:
            self.judge(sitting(DN, reference_=reference(but(challenge=Secret("catfish")))), DN)
        assert "swordfish" not in str(fault.value)
        assert "catfish" not in str(fault.value)

    def test_a_ca_that_failed_the_reference_may_have_failed_the_phone(self, sitting: Make) -> None:
        made = sitting(PLAIN)
        observed = made.of(f"{NAME}.reference", 1)
        unanswered = Observation(
            observed.device, 1, [replace(seen, exchange=replace(seen.exchange, reply=None)) for seen in observed.seen]
        )
        with pytest.raises(LabFault, match="granted the reference no certificate"):
            require_sound_reference(unanswered, made.told(observed.device, 1, PLAIN), restarts=False)

    def test_a_ca_that_refuses_as_scripted_has_not_failed(self, sitting: Make) -> None:
        refused = Scenario(slot=1, ca=(Reject(),))
        self.judge(sitting(refused), refused)


def test_an_unknown_fact_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Misuse, match=r"'csr\.keybits' is no fact") as refused:
        known_fact("csr.keybits")
    assert "csr.key_bits" in str(refused.value.remedy)


def test_every_fact_of_the_table_can_be_read(sitting: Make) -> None:
    observed = sitting(Scenario(slot=1, steps=(Restart(),))).of(NAME, 1)
    read = {fact: sight(observed, fact) for fact in RULES if fact not in UNREADABLE}
    assert {fact for fact, seen in read.items() if seen.missing is not None} == set()


def test_every_rule_names_its_source_and_each_tolerance_its_reason() -> None:
    for rule in RULES.values():
        assert rule.source
        assert (rule.basis == "baseline") is (rule.expected is None)
    tolerant = [rule for rule in RULES.values() if rule.holds.__qualname__ != "Rule.<lambda>"]
    assert [rule.fact for rule in tolerant] == [
        "timing.idle_before_contact", "renewal.validity_passed", "renewal.intervals", "next_renewal.validity_passed",
        "services.presented", "services.anew.presented", "port.opened",
    ]  # fmt: skip
    assert all(rule.reason for rule in tolerant)


def test_a_told_profile_is_needed_where_it_is_asked_for() -> None:
    expected = RULES["csr.key_bits"].expected
    assert expected is not None
    with pytest.raises(LookupError):
        expected(Told(PLAIN, None))
