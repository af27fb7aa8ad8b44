"""One fact compared: what the phone did, what the reference did, which rule speaks, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from hil.errors import LabFault, Misuse
from hil.judge.observation import Observation, Where
from hil.judge.rules import RULES, Rule, Told
from hil.judge.verdict import NotObserved, Verdict
from hil.scenario import Issue, PassTime, Scenario
from hil.scep.messages import PkiStatus


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

    Without a profile that is whether there was contact, and where a person is asked for the password
    whether one was made up; no document says what a profile whose certificate is being deleted asks.
    Facts about a restart need one, and a CA that grants: who was refused may ask again.
    """
    if told.profile is None:
        return ("contacted",)
    if told.profile.prompts_user:
        return ("challenges_sent",)
    if told.scenario.deletes:
        return ()
    repeats = restarts and isinstance(told.scenario.ca[0], Issue)
    left_out = {"challenges_sent"} | (set() if repeats else {"enrolments_after_restart"}) | _of_renewal(told.scenario)
    return (fact for fact in RULES if fact not in left_out)


def _of_renewal(scenario: Scenario) -> set[str]:
    """The facts about renewal that a scenario cannot show: whose certificate is not backdated is not watched until it is due."""
    first, *later = scenario.ca
    if not (later and isinstance(first, Issue) and first.backdated and any(isinstance(s, PassTime) for s in scenario.steps)):
        return {fact for fact in RULES if fact.startswith("renewal.")}
    fails, succeeds = not isinstance(later[0], Issue), isinstance(later[-1], Issue)
    return (set() if fails else {"renewal.intervals"}) | (set() if succeeds else {"renewal.attempts_after_success"})


def require_sound_reference(reference: Observation, told: Told, *, restarts: bool) -> None:
    """Raise `LabFault` where the reference itself breaks a documented or standard rule, or the CA failed it.

    Its timing is left out: how fast it is says how busy this PC is, and no phone is judged by it.
    """
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
        request, reply = seen.exchange.request, seen.exchange.reply
        if request is None or request.csr is None or request.signer is None:
            continue
        own_key = request.signer.public_key_der == request.csr.public_key_der
        sound = request.signature_valid and request.csr.signature_valid and own_key
        refused = (seen.exchange.status or 200) >= 400 or (reply is not None and reply.status is PkiStatus.FAILURE)
        if sound and refused:
            where = f"{seen.where.file} frame {seen.where.frame}"
            raise LabFault("the CA refused a sound request that it was told to grant", seen=where)


def _verdict(rule: Rule, seen: Sighting, expected: object) -> Verdict:
    holds = seen.missing is None and rule.holds(seen.value, expected)
    return Verdict.CONFORMS if holds else Verdict.DEVIATES
