"""The rule table: for each fact, who says what it must be, and how that is read from what the phone was told.

`documented` rules hold the vendor's words against the fact, `standard` rules RFC 8894's. A fact
without either is undocumented: it is recorded as the firmware's behaviour and held against the
baseline, never failed because the reference happens to do otherwise. A tolerance stands here with
its reason, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from hil.judge.port import SERVICE
from hil.scenario import ChangeSettings, Scenario
from hil.settings.profiles import Profile
from hil.settings.usage import Usage

Basis = Literal["documented", "standard", "baseline"]

DURING_BOOT_SECONDS = 600.0
"""Longest time from the settings, or from the answer to the slot before, to a slot's first SCEP request that is still booting.

No document gives a figure. A 4096-bit key takes minutes on a phone's processor and comes before the
request; a phone that leaves enrolment to a later timer is an order of magnitude beyond this.
"""


SECONDS, MINUTES, HOURS = "phone seconds", "phone minutes", "phone hours"
SPAN_UNITS: Mapping[str, float] = {SECONDS: 1.0, MINUTES: 60.0, HOURS: 3600.0}
"""The units of spans, each in phone seconds."""

SPANS_APART, SPAN_FACTOR = 10.0, 2.0
"""Two measured spans are of different behaviours where they are more than that many phone seconds apart, and one is more than
that many times the other.

How long the same phone takes for the same thing differs with its network, its server and, for a key, by chance.
"""

EARLY_PART = 0.00001
"""The part of a validity by which a renewal may come early: five minutes of a year, for clocks that are told the time by SNTP."""

DAY_HOURS, EARLY_HOURS = 24.0, 0.25
"""Hours between attempts, and how much less still counts: a busy PC of a virtual bench may take seconds to send what was due.

How late an attempt may be no document says; one that is later by half an interval is missing.
"""


INSTALLING_SECONDS = 120.0
"""Longest time from the CA's reply until a new certificate is in use, or a connection is ended for its sake.

No document gives a figure. What a device connects to within it is not held against either certificate.
"""


@dataclass(frozen=True)
class Told:
    """What a device was told for one scenario: the profile that the documents make of the files it was served.

    `usages` are what it was told of each of its profiles' services, by slot, `port_name` is what it is to be called where
    it presents a certificate to its port, `trusts` whether it was told of anybody to trust over TLS.
    """

    scenario: Scenario
    profile: Profile | None
    usages: Mapping[int, Usage] = field(default_factory=dict)
    port_name: str = ""
    trusts: bool = False

    @property
    def in_clear(self) -> bool:
        """Whether there is a profile, and its server is spoken to over plain HTTP."""
        return self.profile is not None and not self.profile.url.lower().startswith("https:")

    @property
    def reachable(self) -> bool:
        """Whether the documents let the device speak to its server, which over TLS they say only of one that is trusted."""
        return self.profile is not None and (self.in_clear or self.trusts)

    @property
    def asked(self) -> Profile:
        """The profile, for facts that exist only where there is one."""
        if self.profile is None:
            raise LookupError("the settings served make no profile in this slot")
        return self.profile


@dataclass(frozen=True)
class Rule:
    """What one fact must be: `expected` is compared for equality unless `holds` says otherwise."""

    fact: str
    basis: Basis
    source: str
    expected: Callable[[Told], object] | None = None
    holds: Callable[[object, object], bool] = lambda seen, expected: seen == expected
    reason: str | None = None
    unit: str = ""
    """Of a number that is measured: phone seconds, bytes, hours."""


def _family(told: Told) -> str:
    return "AES-256" if told.asked.cipher.startswith("aes-256") else "DES"


def _enrolments_after_restart(told: Told) -> int:
    """One for each time that the certificate was deleted and enrolment then allowed again."""
    steps = [step for step in told.scenario.steps if isinstance(step, ChangeSettings) and step.changes(told.asked.slot)]
    changed = [dict(step.settings) for step in steps]
    deleted = [one.get("DELETE_SCEP_CERT") for one in changed if "DELETE_SCEP_CERT" in one]
    return sum(before == "1" and after == "0" for before, after in pairwise(deleted))


def _due(told: Told) -> float:
    return told.asked.renew_percent / 100


def _not_before(seen: object, due: object) -> bool:
    return isinstance(seen, float) and isinstance(due, float) and seen >= due - EARLY_PART


def _daily(seen: object, _: object) -> bool:
    return isinstance(seen, tuple) and bool(seen) and all(DAY_HOURS - EARLY_HOURS <= hours < 1.5 * DAY_HOURS for hours in seen)


def _whose_certificates(told: Told) -> tuple[tuple[str, str], ...]:
    """Of each service whose certificate the documents settle: the slot's number, `none`, or `not` the slot's."""
    slot, mine = told.asked.slot, told.usages[told.asked.slot]
    others = [usage for other, usage in told.usages.items() if other != slot]
    due: list[tuple[str, str]] = []
    for service in sorted(told.scenario.services):
        others_withhold = all(usage.withholds(service) for usage in others)
        if mine.gives(service) and others_withhold:
            due.append((service, str(slot)))
        elif mine.withholds(service):
            due.append((service, "none" if others_withhold else f"not {slot}"))
    return tuple(due)


def _as_due(seen: object, due: object) -> bool:
    """Whether each service that was seen was shown what is due; the same for a service that was not."""
    shown = dict(seen) if isinstance(seen, tuple) else {}
    wanted = {service: whose for service, whose in (due if isinstance(due, tuple) else ()) if service in shown}
    return all(
        whose.removeprefix("not ") not in shown[service].split(", ") if whose.startswith("not ") else shown[service] == whose
        for service, whose in wanted.items()
    )


def _all_new(seen: object, _: object) -> bool:
    return isinstance(seen, tuple) and all(shown == "new" for _, shown in seen)


def _at_most(seen: object, limit: object) -> bool:
    return isinstance(seen, float) and isinstance(limit, float) and seen <= limit


_TABLE: tuple[Rule, ...] = (
    Rule("contacted", "documented", "SCEP page, MYCERTURL", lambda told: told.profile is not None),
    Rule(
        "asked_in_clear",
        "documented",
        "SCEP page, MYCERTURL; Enhanced Enrollment page",
        lambda told: told.in_clear,
        reason="an https URL, or one that an entity class makes https, is spoken to over TLS",
    ),
    Rule("csr.key_bits", "documented", "SCEP page, MYCERTKEYLEN", lambda told: told.asked.key_bits),
    Rule("csr.common_name", "documented", "SCEP page, MYCERTCN", lambda told: told.asked.common_name),
    Rule("csr.dn", "baseline", "no document orders the DN's parts"),
    Rule("csr.dn_parts", "documented", "SCEP page, MYCERTDN", lambda told: tuple(sorted(told.asked.dn))),
    Rule("csr.cn_position", "baseline", "no document places the CN among the DN's parts"),
    Rule("csr.challenge", "documented", "SCEP page, SCEPPASSWORD", lambda told: told.asked.challenge_password),
    Rule(
        "challenges_sent", "documented", "J100 template, SCEPPASSWORD", lambda _: 0, reason="a person is asked, nobody is there"
    ),
    Rule("csr.signature_valid", "standard", "RFC 2986 section 4.2", lambda _: True),
    Rule("csr.key_matches_signer", "baseline", "RFC 8894 section 2.3 advises it and no more"),
    Rule("csr.signature_digest", "baseline", "no document names the CSR's digest"),
    Rule("csr.extensions", "baseline", "no document says which extensions are asked for"),
    Rule("ca.identifier", "documented", "SCEP page, MYCERTCAID", lambda told: told.asked.ca_identifier),
    Rule("ca.capabilities_asked", "baseline", "no document says whether GetCACaps is used"),
    Rule(
        "request.cipher_family",
        "documented",
        "J100 template, SCEPENCALG",
        _family,
        reason="0 is DES and 1 is AES-256; whether DES means single or triple on the wire, and the mode, no document says",
    ),
    Rule("request.content_cipher", "baseline", "no document says whether DES is single or triple"),
    Rule("request.signature_valid", "standard", "RFC 8894 section 3.2", lambda _: True),
    Rule("request.nonce_fresh", "standard", "RFC 8894 section 3.2.1.5", lambda _: True),
    Rule("request.nonce_length", "baseline", "RFC 8894 has 16 bytes; older clients are seen with 8", unit="bytes"),
    Rule("request.transaction_id_form", "baseline", "no document gives the transactionID's form"),
    Rule("request.digest", "baseline", "no document names the pkiMessage's digest"),
    Rule("request.http_method", "baseline", "no document says GET or POST"),
    Rule("request.message_type", "baseline", "no document says by which message a certificate of the factory is replaced"),
    Rule(
        "timing.idle_before_contact",
        "documented",
        "SCEP page, SCEP Enrollment",
        lambda _: DURING_BOOT_SECONDS,
        holds=_at_most,
        reason=f"at most {DURING_BOOT_SECONDS:.0f} s of phone time after the settings, or after the answer to the slot before it",
    ),
    Rule("timing.contact_after_settings", "baseline", "no document gives a figure", unit=SECONDS),
    Rule("timing.request_after_settings", "baseline", "no document gives a figure", unit=SECONDS),
    Rule("timing.request_after_power_on", "baseline", "no document gives a boot time", unit=SECONDS),
    Rule("timing.preparation", "baseline", "no document says how long a key takes", unit=SECONDS),
    Rule("timing.stored_after", "baseline", "no document says when a certificate is safe from a power cut", unit=SECONDS),
    Rule("timing.lost_until", "baseline", "no document says when a certificate is safe from a power cut", unit=SECONDS),
    Rule("profile_order", "baseline", "no document orders the profiles"),
    Rule("enrolled", "baseline", "no document says what else enrolment needs"),
    Rule("request.user_agent", "baseline", "no document names the User-Agent of SCEP"),
    Rule("request.transaction_id_origin", "baseline", "no document says what the transactionID is made of"),
    Rule("request.signer_begins", "baseline", "no document says what a phone takes the time for"),
    Rule("provisioning.settings_after_power_on", "baseline", "no document gives a boot time", unit=SECONDS),
    Rule("provisioning.files", "baseline", "the order of files is known from public servers alone"),
    Rule("provisioning.user_agent", "baseline", "known from public servers alone"),
    Rule("provisioning.headers", "baseline", "no document says what of HTTP is used"),
    Rule("provisioning.conditional", "baseline", "no document says whether unchanged files are asked for again"),
    Rule(
        "renewal.validity_passed",
        "documented",
        "SCEP page, MYCERTRENEW",
        _due,
        holds=_not_before,
        reason="not before that part of the validity has passed; how soon after, no document says",
    ),
    Rule(
        "renewal.intervals",
        "documented",
        "SCEP page, MYCERTRENEW",
        lambda _: "24 hours each",
        holds=_daily,
        reason=f"at most {EARLY_HOURS:g} h less, and no attempt missing",
    ),
    Rule(
        "renewal.renewed",
        "documented",
        "SCEP page, MYCERTRENEW",
        lambda _: True,
        reason="a renewal that failed is tried again, so it succeeds once the CA grants it",
    ),
    Rule("renewal.attempts_after_success", "documented", "SCEP page, MYCERTRENEW", lambda _: 0),
    Rule("renewal.same_subject", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_key_bits", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_cipher", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_ca_identifier", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.message_type", "baseline", "no document says RenewalReq or PKCSReq"),
    Rule("renewal.signer", "baseline", "no document says which certificate signs a renewal"),
    Rule("renewal.key_is_new", "baseline", "no document says whether standard renewal keeps the key"),
    Rule("renewal.hours_over_restart", "baseline", "no document says what a restart does to the 24 hours", unit=HOURS),
    Rule("asked_after_restart", "baseline", "no document says what an expired certificate, or no time, makes a phone ask"),
    Rule("ungranted.asked_again", "baseline", "no document says when an enrolment that failed is tried again"),
    Rule(
        "ungranted.minutes_until_asked_again",
        "baseline",
        "no document says when an enrolment that failed is tried again",
        unit=MINUTES,
    ),
    Rule("ungranted.polls", "baseline", "no document says how often a pending request is asked for"),
    Rule("ungranted.poll_minutes", "baseline", "no document says how often a pending request is asked for", unit=MINUTES),
    Rule("ungranted.after_restart", "baseline", "no document says what a restart does to a pending request"),
    Rule("renewal.challenges", "baseline", "no document says whether a renewal carries a challenge"),
    Rule("renewal.days_left", "baseline", "no document says how often a phone looks what is due, nor by how much it may be late"),
    Rule(
        "next_renewal.validity_passed",
        "documented",
        "SCEP page, MYCERTRENEW",
        _due,
        holds=_not_before,
        reason="the certificate that was got by renewal is renewed as the first one is",
    ),
    Rule(
        "services.presented",
        "documented",
        "SCEP page, SCEP_USAGE",
        _whose_certificates,
        holds=_as_due,
        reason="a service that several profiles claim, or that no document settles, is left out, as is one not seen",
    ),
    Rule(
        "services.anew.presented",
        "documented",
        "SCEP page, MYCERTRENEW",
        lambda _: "new",
        holds=_all_new,
        reason=f"of connections that began {INSTALLING_SECONDS:.0f} s or more after the CA's reply",
    ),
    Rule(
        "services.kept.dropped",
        "documented",
        "SCEP page, MYCERTRENEW",
        lambda _: (),
        reason=f"a connection that was open is not ended by the device within {INSTALLING_SECONDS:.0f} s of the CA's reply",
    ),
    Rule(
        "port.opened",
        "documented",
        "J100 template, DOT1XSTAT and DOT1XEAPS",
        lambda told: any(usage.gives(SERVICE) for usage in told.usages.values()),
        holds=lambda opened, due: bool(opened) or not due,
        reason="due where a profile's list gives its certificate to 802.1X by a name that the documents settle",
    ),
    Rule("port.identity", "documented", "J100 template, FORCE_DOT1XID_TLS", lambda told: told.port_name),
    Rule("enrolments_after_restart", "documented", "SCEP page, note on an installed certificate", _enrolments_after_restart),
)

RULES: Mapping[str, Rule] = {rule.fact: rule for rule in _TABLE}
