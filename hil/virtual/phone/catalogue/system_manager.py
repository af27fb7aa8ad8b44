"""How phones deal otherwise with CAs of several kinds, and with one that serves an end entity once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant

_CLASS = ("CLASS-ENROLS", "CLASS-ON-WIRE", "CLASS-PASSWORD-MACRO", "CLASS-RENEWS", "CLASS-RENEWAL-HABITS")

VARIANTS: Mapping[str, Variant] = {
    "stops-after-failed-profile": Variant(
        "enrols no further profile in a boot in which one failed",
        lambda h: replace(h, stops_after_failed_profile=True),
        ("PROFILE-FAILS-ALONE", "PROFILES-OWN-CA"),
    ),
    "enrols-twice": Variant(
        "tries an enrolment that failed once more in the same boot",
        lambda h: replace(h, enrolment_tries=2),
        ("PROFILE-FAILS-ALONE",),
    ),
    "https-without-trust": Variant(
        "enrols over TLS at any server where TRUSTCERTS names nobody",
        lambda h: replace(h, scep_needs_trust=False),
        ("HTTPS-TRUST", "ENTITY-CLASS-HTTPS"),
    ),
    "class-in-query": Variant(
        "writes its entity class into the query of each SCEP request",
        lambda h: replace(h, class_in="query"),
        (*_CLASS, "CLASS-STANDARD"),
    ),
    "class-unseen": Variant("writes its entity class nowhere", lambda h: replace(h, class_in="nothing"), _CLASS),
    "class-renewal-without-password": Variant(
        "sends no password with a renewal by entity class",
        lambda h: replace(h, class_renewal_challenges=False),
        ("CLASS-RENEWS", "CLASS-RENEWAL-HABITS", "CLASS-RENEWAL-NAME"),
    ),
    "class-rests-under-another-name": Variant(
        "asks for no renewal by entity class where it is told another name than its certificate has",
        lambda h: replace(h, class_rests_under_another_name=True),
        ("CLASS-RENEWAL-NAME", "CLASS-RENEWS", "CLASS-LEFT", "CLASS-STANDARD"),
    ),
    "forced-https-at-443": Variant(
        "goes to port 443 where an entity class makes its URL an https one",
        lambda h: replace(h, forced_https_keeps_port=False),
        ("ENTITY-CLASS-HTTPS", "CLASS-ENROLS"),
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "gives-up-after-one": Defect("tries a refused renewal no more", "RENEW-ENTITY-NEW", lambda h: replace(h, gives_up_after=1)),
    "resends-refused-renewal": Defect(
        "sends a refused renewal again as it was, octet for octet, so that it gets the answer that it had",
        "RENEW-ENTITY-NEW",
        lambda h: replace(h, resends_refused_renewal=True),
    ),
    "entity-class-outside-aura": Defect(
        "heeds SCEP_ENTITY_CLASS outside an Aura environment, and goes to its server by https",
        "ENTITY-CLASS-IGNORED",
        lambda h: replace(h, entity_class_everywhere=True),
    ),
    "entity-class-in-clear": Defect(
        "speaks plain HTTP to its server though it has an entity class",
        "ENTITY-CLASS-HTTPS",
        lambda h: replace(h, entity_class_forces_https=False),
    ),
    "https-url-in-clear": Defect(
        "speaks plain HTTP to a server whose URL is an https one", "URL-HTTPS", lambda h: replace(h, speaks_https=False)
    ),
    "class-password-missing": Defect(
        "sends no password with the first request of a profile with an entity class",
        "CLASS-ENROLS",
        lambda h: replace(h, class_challenges=False),
    ),
    "class-macro-unexpanded": Defect(
        "sends the password of an entity class as it is written, its macros not expanded",
        "CLASS-PASSWORD-MACRO",
        lambda h: replace(h, class_password_as_written=True),
    ),
    "class-not-renewed": Defect(
        "renews no certificate that it has by entity class", "CLASS-RENEWS", lambda h: replace(h, renews_by_class=False)
    ),
    "class-password-made-up": Defect(
        "sends the serial number where the password of an entity class is empty, and asks nobody",
        "CLASS-RENEWAL-PASSWORD",
        lambda h: replace(h, prompts_for_empty_class_password=False),
    ),
    "class-renews-old-name": Defect(
        "renews by entity class under the name of its certificate, whatever the settings say",
        "CLASS-RENEWAL-NAME",
        lambda h: replace(h, class_renewal_keeps_name=True),
    ),
    "old-name-after-class": Defect(
        "renews what it got by entity class under the name of the certificate, though the class is gone",
        "CLASS-LEFT",
        lambda h: replace(h, class_name_outlives_class=True),
    ),
    "old-name-after-deletion": Defect(
        "enrols by entity class under the name of the certificate that was deleted last, whatever the settings say",
        "CLASS-LEFT",
        lambda h: replace(h, class_name_outlives_certificate=True),
    ),
    "old-dn-after-class": Defect(
        "renews what it got by entity class with the DN of the certificate and the new CN, though the class is gone",
        "CLASS-LEFT",
        lambda h: replace(h, class_name_outlives_class=True, outliving_name_has_own_cn=False),
    ),
    "class-kept-after-removal": Defect(
        "renews what it got by entity class by that class, though the settings name it no more",
        "CLASS-STANDARD",
        lambda h: replace(h, class_outlives_setting=True),
    ),
    "one-ca-for-all": Defect(
        "takes the certificates of the first profile's CA for those of every profile's",
        "PROFILES-OWN-CA",
        lambda h: replace(h, one_ca_for_all=True),
    ),
}
