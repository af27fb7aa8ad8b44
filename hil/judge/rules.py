"""The rule table: for each fact, who says what it must be, and how that is read from what the phone was told.

`documented` rules hold the vendor's words against the fact, `standard` rules RFC 8894's. A fact
without either is undocumented: it is recorded as the firmware's behaviour and held against the
baseline, never failed because the reference happens to do otherwise. A tolerance stands here with
its reason, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hil.scenario import ChangeSettings, Scenario
from hil.settings.profiles import Profile

Basis = Literal["documented", "standard", "baseline"]

DURING_BOOT_SECONDS = 600.0
"""Longest time from the settings, or from the answer to the slot before, to a slot's first SCEP request that is still booting.

No document gives a figure. A 4096-bit key takes minutes on a phone's processor and comes before the
request; a phone that leaves enrolment to a later timer is an order of magnitude beyond this.
"""


EARLY_PART = 0.00001
"""The part of a validity by which a renewal may come early: five minutes of a year, for clocks that are told the time by SNTP."""

DAY_HOURS, EARLY_HOURS = 24.0, 0.25
"""Hours between attempts, and how much less still counts: a busy PC of a virtual bench may take seconds to send what was due.

How late an attempt may be no document says; one that is later by half an interval is missing.
"""


@dataclass(frozen=True)
class Told:
    """What a device was told for one scenario: the profile that the documents make of the files it was served."""

    scenario: Scenario
    profile: Profile | None

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


def _family(told: Told) -> str:
    return "AES-256" if told.asked.cipher.startswith("aes-256") else "DES"


def _enrolments_after_restart(told: Told) -> int:
    """One for each time that the certificate was deleted and enrolment then allowed again."""
    changes = [dict(step.settings) for step in told.scenario.steps if isinstance(step, ChangeSettings)]
    values = [change["DELETE_SCEP_CERT"] for change in changes if "DELETE_SCEP_CERT" in change]
    return sum(before == "1" and after == "0" for before, after in pairwise(values))


def _due(told: Told) -> float:
    return told.asked.renew_percent / 100


def _not_before(seen: object, due: object) -> bool:
    return isinstance(seen, float) and isinstance(due, float) and seen >= due - EARLY_PART


def _daily(seen: object, _: object) -> bool:
    return isinstance(seen, tuple) and bool(seen) and all(DAY_HOURS - EARLY_HOURS <= hours < 1.5 * DAY_HOURS for hours in seen)


def _at_most(seen: object, limit: object) -> bool:
    return isinstance(seen, float) and isinstance(limit, float) and seen <= limit


_TABLE: tuple[Rule, ...] = (
    Rule("contacted", "documented", "SCEP page, MYCERTURL", lambda told: told.profile is not None),
    Rule("csr.key_bits", "documented", "SCEP page, MYCERTKEYLEN", lambda told: told.asked.key_bits),
    Rule("csr.common_name", "documented", "SCEP page, MYCERTCN", lambda told: told.asked.common_name),
    Rule("csr.dn", "documented", "SCEP page, MYCERTDN", lambda told: told.asked.dn),
    Rule("csr.dn_parts", "documented", "SCEP page, MYCERTDN", lambda told: tuple(sorted(told.asked.dn))),
    Rule("csr.cn_position", "baseline", "no document places the CN among the DN's parts"),
    Rule("csr.challenge", "documented", "SCEP page, SCEPPASSWORD", lambda told: told.asked.challenge_password),
    Rule(
        "challenges_sent", "documented", "J100 template, SCEPPASSWORD", lambda _: 0, reason="a person is asked, nobody is there"
    ),
    Rule("csr.signature_valid", "standard", "RFC 2986 section 4.2", lambda _: True),
    Rule("csr.key_matches_signer", "standard", "RFC 8894 section 2.3", lambda _: True),
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
    Rule("request.nonce_length", "baseline", "RFC 8894 has 16 bytes; older clients are seen with 8"),
    Rule("request.transaction_id_form", "baseline", "no document gives the transactionID's form"),
    Rule("request.digest", "baseline", "no document names the pkiMessage's digest"),
    Rule("request.http_method", "baseline", "no document says GET or POST"),
    Rule("request.message_type", "standard", "RFC 8894 section 3.2.1.2", lambda _: "PKCSReq"),
    Rule(
        "timing.idle_before_contact",
        "documented",
        "SCEP page, SCEP Enrollment",
        lambda _: DURING_BOOT_SECONDS,
        holds=_at_most,
        reason=f"at most {DURING_BOOT_SECONDS:.0f} s of phone time after the settings, or after the answer to the slot before it",
    ),
    Rule("timing.contact_after_settings", "baseline", "no document gives a figure"),
    Rule("timing.request_after_settings", "baseline", "no document gives a figure"),
    Rule("timing.request_after_power_on", "baseline", "no document gives a boot time"),
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
    Rule("renewal.attempts_after_success", "documented", "SCEP page, MYCERTRENEW", lambda _: 0),
    Rule("renewal.same_subject", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_key_bits", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_cipher", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.same_ca_identifier", "documented", "SCEP page, note on renewal", lambda _: True),
    Rule("renewal.message_type", "baseline", "no document says RenewalReq or PKCSReq"),
    Rule("renewal.signer", "baseline", "no document says which certificate signs a renewal"),
    Rule("renewal.key_is_new", "baseline", "no document says whether standard renewal keeps the key"),
    Rule("renewal.challenges", "baseline", "no document says whether a renewal carries a challenge"),
    Rule("enrolments_after_restart", "documented", "SCEP page, note on an installed certificate", _enrolments_after_restart),
)

RULES: Mapping[str, Rule] = {rule.fact: rule for rule in _TABLE}
