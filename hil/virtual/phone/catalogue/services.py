"""How phones present their certificates to services otherwise: which variants are right, which defects wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.habits import every_part
from hil.virtual.phone.usage import SERVICES


def highest_claimant(claiming: Collection[int], _held: Collection[int]) -> int | None:
    return max(claiming, default=None)


def wrong_claimant(claiming: Collection[int], held: Collection[int]) -> int | None:
    """The next profile that holds a certificate, after the right one."""
    if not claiming:
        return None
    order = sorted(held)
    return order[(order.index(min(claiming)) + 1) % len(order)]


def first_held(_claiming: Collection[int], held: Collection[int]) -> int | None:
    return min(held, default=None)


_AS_WRITTEN = {
    *("SIP", "Provisioning", "802.1x", "LDAP", "Ring Central", "Push", "PPM", "XSI", "Syslog", "All"),
    *(*SERVICES, "ALL"),
}


def only_as_written(name: str) -> str:
    """The name where its letters are those of the guide or of the template, else nothing known."""
    return name.upper() if name in _AS_WRITTEN else ""


def spelt_as_in_the_template(name: str) -> str:
    """The name, but for the spellings that only the guide has."""
    return "" if name.upper() in ("802.1X", "RING CENTRAL") else name.upper()


MISSPELT = {"MYCERTKEYLEN3": "MYCERTKEYLEN_3", "SECP_USAGE": "SCEP_USAGE", "SECP_2_USAGE": "SCEP_2_USAGE"}

_USAGES = ("USAGE-ASSIGNED", "USAGE-LIST", "USAGE-BLANKS", "USAGE-CASE", "USAGE-EXCLUDE", "USAGE-SLOTS", "USAGE-OPEN")
_SPELLINGS = ("USAGE-OPEN", "USAGE-DEFAULT", "8021X-SPELLING", "8021X-IDENTITY")
_CONNECTIONS = ("USAGE-ASSIGNED", "USAGE-DEFAULT", "RENEW-NEW-TLS", "RENEW-KEEPS-TLS")

VARIANTS: Mapping[str, Variant] = {
    "highest-profile": Variant(
        "takes the highest of several profiles that claim a service",
        lambda h: replace(h, claimant=highest_claimant),
        about=_USAGES,
    ),
    "exclusion-means-all": Variant(
        "takes a usage that only excludes for all other services",
        lambda h: replace(h, exclusion_means_all=True),
        about=_USAGES,
    ),
    "template-spellings": Variant(
        "knows 802.1X and Ring Central only as 8021X and RINGCENTRAL",
        lambda h: replace(h, usage_fold=spelt_as_in_the_template),
        about=_SPELLINGS,
    ),
    "misspelt-names": Variant(
        "reads MYCERTKEYLEN3, SECP_USAGE and SECP_2_USAGE too, as documents misspell names",
        lambda h: replace(h, further_names=MISSPELT),
        about=("KEYLEN-3-SPELLING", "USAGE-MISSPELT", "USAGE-SLOTS"),
    ),
    "newest-tls": Variant("speaks TLS 1.3 where the server does", lambda h: replace(h, newest_tls="1.3"), about=_CONNECTIONS),
    "re-registers-often": Variant(
        "registers every 10 minutes whatever REGISTERWAIT says",
        lambda h: replace(h, registers_every=600.0),
        about=_CONNECTIONS,
    ),
    "closes-idle-ldap": Variant(
        "closes its connection to the directory after each search",
        lambda h: replace(h, keeps_directory=False),
        about=_CONNECTIONS,
    ),
    "connects-before-enrolment": Variant(
        "turns to its services before it enrols, and anew after it",
        lambda h: replace(h, connects_before_enrolment=True),
        about=_CONNECTIONS,
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "usage-wrong-profile": Defect(
        "presents the certificate of the profile after the one assigned",
        "USAGE-ASSIGNED",
        lambda h: replace(h, claimant=wrong_claimant),
    ),
    "usage-not-looked-at": Defect(
        "presents its first certificate to every service", "USAGE-ASSIGNED", lambda h: replace(h, claimant=first_held)
    ),
    "usage-first-name-only": Defect(
        "reads the first name of a usage and no more",
        "USAGE-LIST",
        lambda h: replace(h, usage_parts=lambda usage: every_part(usage)[:1]),
    ),
    "usage-blanks-not-taken": Defect(
        "does not know a name of a usage that stands after a blank",
        "USAGE-BLANKS",
        lambda h: replace(h, usage_parts=lambda usage: usage.split(",")),
    ),
    "usage-case-sensitive": Defect(
        "knows the names of a usage only in the letters of the documents",
        "USAGE-CASE",
        lambda h: replace(h, usage_fold=only_as_written),
    ),
    "usage-exclusion-ignored": Defect(
        "passes over what a usage excludes", "USAGE-EXCLUDE", lambda h: replace(h, usage_excludes=False)
    ),
    "usage-default-nothing": Defect(
        "assigns a certificate to no service where its usage is not set", "USAGE-DEFAULT", lambda h: replace(h, default_usage="")
    ),
    "usage-2-ignored": Defect(
        "does not know SCEP_2_USAGE", "USAGE-SLOTS", lambda h: replace(h, ignored=h.ignored | {"SCEP_2_USAGE"})
    ),
    "usage-3-ignored": Defect(
        "does not know SCEP_3_USAGE", "USAGE-SLOTS", lambda h: replace(h, ignored=h.ignored | {"SCEP_3_USAGE"})
    ),
    "old-certificate-until-restart": Defect(
        "presents the renewed certificate only after a restart",
        "RENEW-NEW-TLS",
        lambda h: replace(h, unaware_of_renewal=frozenset(SERVICES)),
    ),
    "provisioning-old-certificate": Defect(
        "goes on to fetch settings with the certificate from before the renewal",
        "RENEW-NEW-TLS",
        lambda h: replace(h, unaware_of_renewal=frozenset({"PROVISIONING"})),
    ),
    "renewal-drops-tls": Defect(
        "ends its connections over TLS when it has renewed", "RENEW-KEEPS-TLS", lambda h: replace(h, keeps_tls_at_renewal=False)
    ),
}
