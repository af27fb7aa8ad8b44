"""How phones renew otherwise: which variants are right, which defects wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.habits import after_validity, each

_WHEN = (
    *("RENEW-DUE", "RENEW-ONCE", "RENEW-RETRY", "RENEW-AGAIN", "RENEW-TIME", "RENEW-ZONE", "RENEW-EXPIRED", "RETRY-RESTART"),
    *("RENEW-ENTITY-NEW", "CLASS-RENEWS", "CLASS-RENEWAL-NAME", "CLASS-LEFT", "CLASS-STANDARD"),
    *("RENEW-NEW-TLS", "RENEW-KEEPS-TLS"),
)
_RENEWAL = ("RENEW-DUE", "RENEW-PARAMETERS", "RENEW-ONCE", "RENEW-RETRY", "RENEW-HABITS", "RENEW-ENTITY-NEW")

VARIANTS: Mapping[str, Variant] = {
    "renews-by-pkcsreq": Variant(
        "renews by a PKCSReq that the old certificate signs", lambda h: replace(h, renewal_type="19"), _RENEWAL
    ),
    "renews-afresh": Variant(
        "renews as it enrols, with a self-signed certificate", lambda h: replace(h, renewal_signs_afresh=True), _RENEWAL
    ),
    "keeps-key": Variant(
        "renews for the key that it has", lambda h: replace(h, renewal_keeps_key=True), (*_RENEWAL, "RENEW-AGAIN")
    ),
    "no-renewal-challenge": Variant(
        "sends no challenge with a renewal", lambda h: replace(h, renewal_challenges=False), _RENEWAL
    ),
    "checks-hourly": Variant("looks once an hour what is due for renewal", lambda h: replace(h, looks=each(3600.0)), _WHEN),
    "checks-daily": Variant(
        "looks once a day what is due for renewal, first a day after it booted", lambda h: replace(h, looks=_daily), _WHEN
    ),
    "checks-at-midnight": Variant("looks at midnight what is due for renewal", lambda h: replace(h, looks=_midnight), _WHEN),
    "renews-late": Variant("renews, and tries again, up to an hour late", lambda h: replace(h, lateness=_up_to_an_hour), _WHEN),
    "retries-from-the-end": Variant(
        "counts 24 hours from the end of the renewal that failed",
        lambda h: replace(h, retries_count_from_end=True),
        ("RENEW-RETRY", "RETRY-RESTART", "RENEW-EXPIRED"),
    ),
    "renews-twice": Variant(
        "asks twice before it takes a renewal for failed", lambda h: replace(h, renewal_tries=2), ("RENEW-RETRY", "RENEW-EXPIRED")
    ),
    "remembers-attempts": Variant(
        "counts 24 hours from a renewal that failed over a restart too",
        lambda h: replace(h, remembers_attempts=True),
        ("RETRY-RESTART", "RENEW-RETRY"),
    ),
    "replaces-expired": Variant(
        "enrols at boot in place of a certificate that has expired",
        lambda h: replace(h, replaces_expired=True),
        ("EXPIRED-AT-BOOT", "NOT-YET-VALID", "RENEW-TIME"),
    ),
    "retries-enrolment": Variant(
        "tries a failed enrolment again after ten minutes",
        lambda h: replace(h, retries_enrolment_after=600.0),
        ("ENROL-FAILED", "TIME-UNTOLD"),
    ),
    "polls-slowly": Variant(
        "polls a pending request every five minutes", lambda h: replace(h, poll_interval=300.0), ("PENDING",)
    ),
    "pending-survives": Variant(
        "polls a pending request on after a restart", lambda h: replace(h, remembers_pending=True), ("PENDING",)
    ),
    "needs-time": Variant(
        "asks for no certificate before it was told the time",
        lambda h: replace(h, needs_time=True),
        ("TIME-UNTOLD", "RENEW-TIME"),
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "never-renews": Defect("lets its certificates expire", "RENEW-DUE", lambda h: replace(h, renews=False)),
    "renews-by-remaining-time": Defect(
        "takes the percentage of what was left of the validity when it got the certificate",
        "RENEW-DUE",
        lambda h: replace(h, renewal_due=lambda v, percent: v.installed + (v.not_after - v.installed) * percent / 100),
    ),
    "renews-from-issue": Defect(
        "counts the percentage of the validity from when it got the certificate",
        "RENEW-DUE",
        lambda h: replace(h, renewal_due=lambda v, percent: v.installed + (v.not_after - v.not_before) * percent / 100),
    ),
    "renews-early": Defect(
        "renews when nine tenths of what it is told of the validity has passed",
        "RENEW-DUE",
        lambda h: replace(h, renewal_due=lambda v, percent: after_validity(v, 0.9 * percent)),
    ),
    "renewal-changes-cn": Defect(
        "puts another common name into a renewal",
        "RENEW-PARAMETERS",
        lambda h: replace(h, renewal_subject=lambda parts: [(k, f"{v} renewed" if k == "CN" else v) for k, v in parts]),
    ),
    "renewal-drops-dn": Defect(
        "leaves MYCERTDN out of a renewal",
        "RENEW-PARAMETERS",
        lambda h: replace(h, renewal_subject=lambda parts: [part for part in parts if part[0] == "CN"]),
    ),
    "renews-daily": Defect(
        "renews every day once it has begun to", "RENEW-ONCE", lambda h: replace(h, stops_after_renewal=False)
    ),
    "retries-hourly": Defect(
        "tries a failed renewal again every hour", "RENEW-RETRY", lambda h: replace(h, retries_every=3600.0)
    ),
    "calls-closed-port-hourly": Defect(
        "tries a renewal again every hour where the port of its CA was closed",
        "RENEW-RETRY",
        lambda h: replace(h, calls_closed_port_every=3600.0),
    ),
    "retries-weekly": Defect(
        "tries a failed renewal again after a week", "RENEW-RETRY", lambda h: replace(h, retries_every=7 * 86_400.0)
    ),
    "retries-from-boot": Defect(
        "tries a failed renewal again every 24 hours of its uptime",
        "RENEW-RETRY",
        lambda h: replace(h, retries_count_from_boot=True),
    ),
    "gives-up-after-three": Defect(
        "tries a failed renewal three times and no more", "RENEW-RETRY", lambda h: replace(h, gives_up_after=3)
    ),
    "gives-up-after-http-500": Defect(
        "tries no more once a renewal was answered with HTTP 500",
        "RENEW-RETRY",
        lambda h: replace(h, gives_up_on=frozenset({"HTTP 500"})),
    ),
    "gives-up-after-badtime": Defect(
        "tries no more once a renewal was answered with badTime",
        "RENEW-RETRY",
        lambda h: replace(h, gives_up_on=frozenset({"failInfo 3"})),
    ),
    "retries-twice-a-day": Defect(
        "tries a failed renewal again every 12 hours", "RENEW-RETRY", lambda h: replace(h, retries_every=43_200.0)
    ),
    "renews-no-more": Defect(
        "lets a certificate expire that it got by renewal", "RENEW-AGAIN", lambda h: replace(h, renews_again=False)
    ),
    "renews-by-profile-1": Defect(
        "renews each profile's certificate by the percentage of profile 1",
        "RENEW-PROFILES",
        lambda h: replace(h, renew_percent=lambda percents, _slot: percents[1]),
    ),
    "renew-percent-capped": Defect(
        "takes a percentage above 90 for 90",
        "RENEW-DUE",
        lambda h: replace(h, renew_percent=lambda percents, slot: min(90, percents[slot])),
    ),
    "renew-percent-clamped": Defect(
        "takes a percentage out of range for the nearest that is in range",
        "RENEW-INVALID",
        lambda h: replace(h, clamps_renew_percent=True),
    ),
    "renew-default-50": Defect(
        "renews after half of the validity where no percentage is set",
        "RENEW-DEFAULT",
        lambda h: replace(h, default_renew_percent="50"),
    ),
    "renews-by-local-time": Defect(
        "compares its local time with the certificate's validity",
        "RENEW-ZONE",
        lambda h: replace(h, renewal_drift=lambda zone, due: -zone.ahead(due)),
    ),
    "renews-by-summer-time": Defect(
        "compares the time with daylight saving added to it with the certificate's validity",
        "RENEW-ZONE",
        lambda h: replace(h, renewal_drift=lambda zone, due: -zone.saving_at(due)),
    ),
    "zone-backwards": Defect(
        "takes GMTOFFSET off the certificate's validity where it should be left alone",
        "RENEW-ZONE",
        lambda h: replace(h, renewal_drift=lambda zone, _due: zone.standard),
    ),
    "clock-never-back": Defect(
        "takes no time that is earlier than its own",
        "RENEW-TIME",
        lambda h: replace(h, sets_clock_back=False),
    ),
    "ignores-time-told": Defect(
        "goes by the time that it was told first and by no other",
        "RENEW-TIME",
        lambda h: replace(h, heeds_time_told=False),
    ),
}


def _midnight(due: float, power_on: float) -> float:
    return math.ceil(max(due, power_on) / _DAY) * _DAY


def _daily(due: float, power_on: float) -> float:
    return each(_DAY)(max(due, power_on + 1), power_on)


def _up_to_an_hour(at: float) -> float:
    return int(at) * 7919 % 3600


_DAY = 86_400.0
