"""System Manager as CA: an end entity is served once for each time that its status is New."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hil_fixtures import (
    HTTPS,
    Answer,
    Characterise,
    Inconclusive,
    Issue,
    Observation,
    Step,
    changes,
    due_in,
    entity_new,
    passes,
    scenario,
)

THREE_DAYS = passes(hours=79)
"""More than two days longer than until the renewal: no document says how often a phone looks what is due."""


@scenario(
    passes(hours=64),
    entity_new(),
    passes(hours=40),
    ca=[due_in(90, minutes=180), Issue()],
    persona="system-manager",
    MYCERTCN="entity $MACADDR",
    SCEPPASSWORD="entity $SERIALNO",
)
@pytest.mark.requirement("RENEW-ENTITY-NEW")
@pytest.mark.requirement("RENEW-ENTITY-PASSWORD")
def test_renewal_is_granted_once_the_entity_is_new(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    challenges, expected = phone.renewal.challenges, reference.renewal.challenges
    characterise("renewal.challenges", challenges, expected, where=lambda seen: seen.renewal.where)
    assert reference.renewal.attempts_before_success == 3
    if not challenges:  # without the entity's password System Manager refuses, and no document says that it is sent
        assert phone.renewal.intervals
        return
    if phone.renewal.attempts_before_success == 0:
        raise Inconclusive("the phone first asked when its entity was New again, so nothing shows what it does while it is not")
    assert phone.renewal.attempts_after_success == 0


@scenario(SCEP_ENTITY_CLASS="J100", ENABLE_AVAYA_ENVIRONMENT="1", ENABLE_3PCC_ENVIRONMENT="0")
@pytest.mark.requirement("ENTITY-CLASS-HTTPS")
@pytest.mark.requirement("HTTPS-TRUST")
def test_with_an_entity_class_nothing_is_asked_in_the_clear(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    characterise("enrolled without TRUSTCERTS", phone.enrolled, reference.enrolled)
    assert not phone.asked_in_clear
    assert not reference.asked_in_clear


@scenario(SCEP_ENTITY_CLASS="J100", ENABLE_AVAYA_ENVIRONMENT="0", ENABLE_3PCC_ENVIRONMENT="1")
@pytest.mark.requirement("ENTITY-CLASS-IGNORED")
def test_outside_aura_an_entity_class_is_ignored(phone: Observation, reference: Observation) -> None:
    assert phone.enrolled
    assert reference.enrolled


@scenario(MYCERTURL=HTTPS, TRUSTCERTS="bench-ca.pem", ENABLE_AVAYA_ENVIRONMENT="1", ENABLE_3PCC_ENVIRONMENT="0")
@pytest.mark.requirement("URL-HTTPS")
def test_an_https_url_is_enrolled_at_over_tls(phone: Observation, reference: Observation) -> None:
    assert phone.enrolled
    assert reference.enrolled
    assert not phone.asked_in_clear
    assert not reference.asked_in_clear


def by_class(
    *steps: Step,
    slot: int | None = None,
    ca: Sequence[Answer] = (Issue(),),
    alone: bool = False,
    mates: Sequence[pytest.MarkDecorator] = (),
    **settings: str,
) -> pytest.MarkDecorator:
    """A profile in Aura that has an entity class of System Manager's and its password; `settings` tell it more, or other."""
    told = {"SCEP_ENTITY_CLASS": "lab phones", "SCEPPASSWORD": "of the lab class", "TRUSTCERTS": "bench-ca.pem"}
    told |= {"ENABLE_AVAYA_ENVIRONMENT": "1", "ENABLE_3PCC_ENVIRONMENT": "0"} | settings
    return scenario(*steps, slot=slot, ca=ca, alone=alone, mates=mates, persona="system-manager", **told)


@by_class()
@pytest.mark.requirement("CLASS-ENROLS")
@pytest.mark.requirement("CLASS-ON-WIRE")
def test_with_the_password_of_its_class_a_phone_needs_no_end_entity(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    characterise("entity class in requests", phone.carrying("lab phones"), reference.carrying("lab phones"))
    assert phone.enrolled
    assert reference.enrolled


@by_class(SCEPPASSWORD="class $MACADDR")
@pytest.mark.requirement("CLASS-PASSWORD-MACRO")
def test_the_password_of_a_class_may_be_a_macro(phone: Observation, reference: Observation) -> None:
    assert phone.enrolled
    assert phone.csr.challenge == reference.csr.challenge


@by_class(alone=True, SCEPPASSWORD="")
@pytest.mark.requirement("CLASS-RENEWAL-PASSWORD")
def test_without_the_password_of_its_class_a_phone_makes_none_up(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    assert phone.challenges_sent == reference.challenges_sent == 0
    characterise("enrolments by class unattended with an empty password", len(phone.enrolments))


@by_class(THREE_DAYS, ca=[due_in(90, minutes=180), Issue()])
@pytest.mark.requirement("CLASS-RENEWS")
@pytest.mark.requirement("CLASS-RENEWAL-HABITS")
def test_a_class_renews_though_nobody_sets_anything_to_new(phone: Observation, reference: Observation) -> None:
    assert reference.renewal.attempts_before_success == 0
    if phone.renewal.challenges:  # without the password of its class System Manager refuses, and no document says that it is sent
        assert phone.renewal.attempts_before_success == 0


ANOTHER_CN, ANOTHER_DN = "renamed $MACADDR", "/O=Renamed"
RENAMED = (
    changes(slot=2, DELETE_SCEP_CERT="1"),
    changes(slot=3, SCEP_ENTITY_CLASS="", SCEPPASSWORD="entity $SERIALNO"),
    changes(DELETE_SCEP_CERT="0", MYCERTCN=ANOTHER_CN, MYCERTDN=ANOTHER_DN),
    THREE_DAYS,
)


def renamed_after_enrolling_by_class(slot: int, mates: Sequence[pytest.MarkDecorator] = ()) -> pytest.MarkDecorator:
    # A class would force https, so that with https the server is the same without it.
    return by_class(*RENAMED, ca=[due_in(90, minutes=180), Issue()], slot=slot, mates=mates, MYCERTURL=HTTPS)


WITHOUT_CERTIFICATE, WITHOUT_CLASS = (renamed_after_enrolling_by_class(slot) for slot in (2, 3))
WITH_BOTH = renamed_after_enrolling_by_class(1, mates=[WITHOUT_CERTIFICATE, WITHOUT_CLASS])


@WITH_BOTH
@pytest.mark.requirement("CLASS-RENEWAL-NAME")
def test_a_class_does_not_renew_under_another_name(phone: Observation, reference: Observation) -> None:
    assert not reference.renewal.renewed
    if not phone.renewal.attempts:  # which is a way not to be renewed
        return
    if phone.renewal.signer == "the old certificate":  # another signer asks as if for the first time, which no document speaks of
        assert not phone.renewal.renewed


@WITH_BOTH
@pytest.mark.requirement("CLASS-LEFT")
def test_another_name_is_had_once_the_certificate_or_the_class_is_gone(phone: Observation, reference: Observation) -> None:
    for seen, due in zip(phone.mates, reference.mates, strict=True):
        assert not due.renewal.same_subject
        assert sorted(seen.renewal.subject) == sorted(due.renewal.subject)
    without_certificate, without_class = phone.mates
    assert without_certificate.enrolled_boots == reference.mates[0].enrolled_boots
    assert reference.mates[1].renewal.renewed
    if without_class.renewal.challenges:  # without the entity's password System Manager refuses, and no document asks for it
        assert without_class.renewal.renewed


@by_class(
    changes(DELETE_MY_CERT="1"),
    changes(DELETE_MY_CERT="0", MYCERTCN=ANOTHER_CN, MYCERTDN=ANOTHER_DN),
    slot=1,
    alone=True,
    MYCERTURL=HTTPS,
    MYCERTCN="old $MACADDR",
)
@pytest.mark.requirement("CLASS-LEFT")
def test_another_name_is_had_once_delete_my_cert_took_the_certificate(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    again, expected = phone.enrolments_after_restart, reference.enrolments_after_restart
    characterise("enrolments by class after DELETE_MY_CERT", again, expected)
    assert expected == 1
    if again:  # it deletes an only certificate, and whether one of the factory counts no document says
        assert sorted(phone.renewal.subject) == sorted(reference.renewal.subject)


@WITH_BOTH
@pytest.mark.requirement("CLASS-STANDARD")
def test_without_its_class_a_profile_renews_by_the_standard_protocol(
    phone: Observation, reference: Observation, characterise: Characterise
) -> None:
    own, expected = phone.mates[1], reference.mates[1]
    kinds = (seen.renewal.message_type for seen in (own, expected))
    characterise("renewal without the class", *kinds, where=lambda seen: seen.mates[1].renewal.where)
    for seen in (expected, own):
        assert seen.carrying("lab phones", after_boot=seen.enrolled_boots[0]) == ("not seen",)
