"""One fact compared: what the phone did, what the reference did, which rule speaks, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from hil.errors import LabFault, Misuse
from hil.judge.foresight import Foresight, expired, mistold, shifted, withheld
from hil.judge.observation import Observation
from hil.judge.port import SERVICE
from hil.judge.rules import RULES, Rule, Told
from hil.judge.seen import Seen, Where
from hil.judge.verdict import Inconclusive, NotObserved, Verdict
from hil.scenario import ChangeSettings, Issue, Restart, Scenario
from hil.scep.messages import PkiStatus

_OF_ONE_NAME = {"renewal.same_subject", "renewal.attempts_after_success", "renewal.validity_passed"}
"""Facts of a renewal that no document settles for a device that is told another name: it may ask anew, or not at all."""

BY_HAND = {"timing.stored_after", "timing.lost_until"}
"""Facts that no scenario shows: they are measured on a phone by hand."""

_BY_THE_CLOCK = {"renewal.validity_passed", "renewal.renewed", "renewal.days_left", "next_renewal.validity_passed"}
"""Facts about the instant at which a device renews, which say nothing of one that nobody told the time."""


@dataclass(frozen=True)
class Sighting:
    """A fact's value on one device and its proof; `missing` says why a whole capture does not hold it."""

    value: object = None
    where: Where | None = None
    missing: str | None = None


@dataclass(frozen=True)
class Finding:
    """One fact of the phone, held beside the reference and against its rule."""

    fact: str
    phone: Sighting
    reference: Sighting
    expected: object
    rule: Rule
    verdict: Verdict


def known_fact(fact: str) -> Rule:
    """The rule of `fact`; `Misuse` where the table has none."""
    if fact not in RULES:
        raise Misuse(f"{fact!r} is no fact of the rule table", key="facts", remedy=f"one of {', '.join(RULES)}")
    return RULES[fact]


def sight(observation: Observation, fact: str) -> Sighting:
    """Read `fact`, such as `csr.key_bits`, from an observation."""
    group = fact.split(".")[:-1]
    try:
        holder: object = reduce(getattr, group, observation)
        value: object = getattr(holder, fact.split(".")[-1])
    except NotObserved as missing:
        return Sighting(missing=str(missing))
    return Sighting(value, _proof(holder))


def _proof(holder: object) -> Where | None:
    try:
        where: object = getattr(holder, "where", None)
    except NotObserved:
        return None
    return where if isinstance(where, Where) else None


def compare(fact: str, phone: Observation, reference: Observation, told: Told) -> Finding:
    """Hold one fact of the phone against its rule, with the reference beside it."""
    rule = known_fact(fact)
    seen, beside = sight(phone, fact), sight(reference, fact)
    if rule.expected is None:
        return Finding(fact, seen, beside, None, rule, Verdict.CHARACTERISED)
    expected = rule.expected(told)
    return Finding(fact, seen, beside, expected, rule, _verdict(rule, seen, expected))


def applicable(told: Told, restarts: bool) -> Iterable[str]:
    """The facts that a scenario can show.

    Without a profile that is whether there was contact, with one that speaks https and trusts nobody whether there was
    any in the clear, and where a person is asked for the password whether one was made up; no document says what a
    profile whose certificate is being deleted asks. Facts about a restart need one, and a CA that grants: who was
    refused may ask again.
    """
    if told.profile is None:
        return ("contacted",)
    if not told.reachable:
        return ("asked_in_clear",)
    if told.profile.prompts_user:
        return ("challenges_sent",)
    if told.scenario.deletes:
        return ()
    left_out = BY_HAND | {"challenges_sent"} | _of_later_boots(told, restarts) | _of_renewal(told)
    left_out |= {fact for fact in RULES if fact.startswith("ungranted.")} if isinstance(told.scenario.ca[0], Issue) else set()
    left_out |= _of_services(told) | _of_port(told.scenario, restarts)
    return (fact for fact in RULES if fact not in left_out)


def _of_later_boots(told: Told, restarts: bool) -> set[str]:
    """The facts about boots after the first that a scenario cannot show; a renewal there is no second enrolment."""
    if not restarts:
        return {"enrolments_after_restart", "asked_after_restart", "renewal.hours_over_restart"}
    first = told.scenario.ca[0]
    repeats = isinstance(first, Issue) and first.backdated <= 0 and not (Foresight.of(told).falls_due or shifted(told))
    return set() if repeats and not _rests_on_an_only_one(told.scenario) else {"enrolments_after_restart"}


def _rests_on_an_only_one(scenario: Scenario) -> bool:
    """Whether DELETE_MY_CERT alone is to delete the only certificate: whether one of the factory counts no document says."""
    steps = (step for step in scenario.steps if isinstance(step, ChangeSettings))
    changed = {name for step in steps for name, _ in step.settings}
    return scenario.alone and "DELETE_MY_CERT" in changed and "DELETE_SCEP_CERT" not in changed


def _of_renewal(told: Told) -> set[str]:
    """The facts about renewal that a scenario cannot show: what does not fall due while it is watched."""
    due = Foresight.of(told)
    left_out = set() if due.renews else {fact for fact in RULES if fact.startswith("renewal.") and not _only_seen(fact, due)}
    left_out |= set() if due.renews_again else {fact for fact in RULES if fact.startswith("next_renewal.")}
    # The 24 hours are documented for a certificate that holds while the power stays on.
    holds = not _restarts(told.scenario) and not expired(told)
    left_out |= set() if holds and due.fails_first else {"renewal.intervals"}
    # Whether a persona grants it is its own to say: it may ask for a password that no document puts into a renewal.
    left_out |= set() if holds and due.succeeds and not told.scenario.persona else {"renewal.renewed"}
    left_out |= _BY_THE_CLOCK if withheld(told) else set()
    left_out |= _OF_ONE_NAME if _renames(told.scenario) else set()
    return left_out | (set() if due.succeeds and due.settled else {"renewal.attempts_after_success"})


def _renames(scenario: Scenario) -> bool:
    """Whether the device is told another name than its certificate has, by which a renewal fails, or may."""
    steps = (step for step in scenario.steps if isinstance(step, ChangeSettings))
    return any(name in ("MYCERTCN", "MYCERTDN") for step in steps for name, _ in step.settings)


def _only_seen(fact: str, due: Foresight) -> bool:
    """Whether a fact that nobody is held to can be seen, though a late phone might not show it any more."""
    return due.falls_due and RULES[fact].expected is None


def _restarts(scenario: Scenario) -> bool:
    return any(isinstance(step, Restart | ChangeSettings) for step in scenario.steps)


def _of_services(told: Told) -> set[str]:
    """The facts about services that a scenario cannot show: of those it is not told of, and of certificates not renewed.

    Where the list changes from boot to boot, the test judges each.
    """
    if not told.scenario.services:
        return {fact for fact in RULES if fact.startswith("services.")}
    changed = {name for step in told.scenario.steps if isinstance(step, ChangeSettings) for name, _ in step.settings}
    left_out = {"services.presented"} if "SCEP_USAGE" in changed else set()
    renewed = "renewal.validity_passed" not in _of_renewal(told) and isinstance(told.scenario.ca[-1], Issue)
    return left_out | (set() if renewed else {"services.anew.presented", "services.kept.dropped"})


def _of_port(scenario: Scenario, restarts: bool) -> set[str]:
    """The facts that a scenario cannot show for its port's sake: whom a port has shut out asks no CA."""
    if SERVICE in scenario.services and restarts:
        return {"enrolments_after_restart", "asked_after_restart"}
    return {fact for fact in RULES if fact.startswith("port.")}


def require_sound_reference(reference: Observation, told: Told, *, restarts: bool) -> None:
    """Raise `LabFault` where the reference itself breaks a documented or standard rule, or the CA failed it.

    Where phone and reference went by a time that the capture does not show, `Inconclusive`. How fast the reference is says
    how busy this PC is, and no phone is judged by it, so its timing is left out.
    """
    if unknown := mistold(told, reference.told_ahead):
        raise Inconclusive(unknown)
    for fact in applicable(told, restarts):
        rule = RULES[fact]
        if rule.expected is None or fact.startswith("timing."):
            continue
        seen, expected = sight(reference, fact), rule.expected(told)
        if _verdict(rule, seen, expected) is Verdict.DEVIATES:
            shown = seen.missing or repr(seen.value)
            raise LabFault(
                f"the reference breaks {rule.source}: {fact} is {shown} where {expected!r} is due", seen=reference.device
            )
    granted = told.profile is not None and told.scenario.enrols and isinstance(told.scenario.ca[0], Issue)
    if granted and not reference.enrolled:
        raise LabFault("the CA granted the reference no certificate, so it may have failed the phone too", seen=reference.device)


def require_granting_ca(phone: Observation) -> None:
    """Raise `LabFault` where a CA that was told to grant refused a request in which nothing is wrong."""
    for seen in phone.enrolments:
        request = seen.exchange.request
        if request is None or request.csr is None or request.signer is None:
            continue
        own_key = request.signer.public_key_der == request.csr.public_key_der
        sound = request.signature_valid and request.csr.signature_valid and own_key
        if sound and _refused(seen):
            where = f"{seen.where.file} frame {seen.where.frame}"
            raise LabFault("the CA refused a sound request that it was told to grant", seen=where)


def refused_for_its_signer(phone: Observation) -> Where | None:
    """The request that the bench's CA refused since another key signed it, where the phone was never granted one.

    RFC 8894 section 2.3 advises to sign by the key that is asked for, and no more; a phone may have a certificate of its
    factory for that. So it is no fault of the phone's that the bench's CA is strict.
    """
    for seen in () if phone.enrolled else phone.enrolments:
        request = seen.exchange.request
        if request is None or request.csr is None or request.signer is None or not request.signature_valid:
            continue
        if request.signer.public_key_der != request.csr.public_key_der and _refused(seen):
            return seen.where
    return None


def _refused(seen: Seen) -> bool:
    reply = seen.exchange.reply
    return (seen.exchange.status or 200) >= 400 or (reply is not None and reply.status is PkiStatus.FAILURE)


def _verdict(rule: Rule, seen: Sighting, expected: object) -> Verdict:
    holds = seen.missing is None and rule.holds(seen.value, expected)
    return Verdict.CONFORMS if holds else Verdict.DEVIATES
