"""A variant or defect changes what its name says, and nothing else, in every situation that a boot can be in."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asn1crypto import cms, core, csr
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from hil.virtual.phone import catalogue, parameters, pkcs10, pkimessage, profiles, supplicant, usage, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.enrolment import Enrolment
from hil.virtual.phone.errors import Refused
from hil.virtual.phone.habits import Habits, Validity
from hil.virtual.phone.parameters import Settings, slotted
from hil.virtual.phone.unit import Unit
from hil.virtual.phone.zone import Zone

UNIT = Unit("J179", "C8-1F-EA-83-E8-5A", "19wz123456", "4.1.3.0.6")
URLS = {slot: f"http://10.0.0.1/scep/j179/{slot}/pkiclient.exe" for slot in (1, 2, 3)}
ALL_URLS = {slotted("MYCERTURL", slot): url for slot, url in URLS.items()}


SUMMER = Zone(0.0, 7200.0, "1Jan0U", "31Dec23U")

Observe = Callable[[Habits], dict[str, object]]


def every_slot(**values: str) -> dict[str, str]:
    return {slotted(name, slot): value for name, value in values.items() for slot in (1, 2, 3)}


# Settings, the profiles whose certificate is held, the profiles whose URL is remembered.
SITUATIONS: dict[str, tuple[dict[str, str], set[int], set[int]]] = {
    "plain": (ALL_URLS, set(), set()),
    "set": (
        ALL_URLS
        | every_slot(MYCERTDN="/C=US/O=Lab/OU=QA", MYCERTCAID="Other", MYCERTKEYLEN="4096", SCEPENCALG="1")
        | {"MYCERTKEYLEN_2": "2048"}
        | {"MYCERTCN": "J100-$SERIALNO", "MYCERTCN_2": "$MACADDR", "MYCERTCN_3": "$MACADDR_UPPER"}
        | {"SCEPPASSWORD": "pw-$SERIALNO", "SCEPPASSWORD_2": "$MACADDR", "SCEPPASSWORD_3": "correct horse battery"},
        set(),
        set(),
    ),
    "2048": (ALL_URLS | every_slot(MYCERTKEYLEN="2048"), set(), set()),
    "invalid": (ALL_URLS | every_slot(MYCERTKEYLEN="1024", MYCERTCN="no macro in it"), set(), set()),
    "empty password": ({"MYCERTURL": URLS[1], "SCEPPASSWORD": ""}, set(), set()),
    "empty class password": (
        {"MYCERTURL": URLS[1], "SCEPPASSWORD": "", "SCEP_ENTITY_CLASS": "J100", "ENABLE_3PCC_ENVIRONMENT": "0"},
        set(),
        set(),
    ),
    "held": (ALL_URLS, {1, 2, 3}, {1, 2, 3}),
    "deleted": (ALL_URLS | {"DELETE_SCEP_CERT": "1"}, {1, 2, 3}, {1, 2, 3}),
    "second deleted": (ALL_URLS | {"DELETE_SCEP_2_CERT": "1"}, {1, 2, 3}, {1, 2, 3}),
    "only one deleted": ({"MYCERTURL": URLS[1], "DELETE_MY_CERT": "1"}, {1}, {1}),
    "one of several deleted": (ALL_URLS | {"DELETE_MY_CERT": "1"}, {1, 2, 3}, {1, 2, 3}),
    "no url": ({}, set(), {1}),
}


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    return [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]


@pytest.fixture
def observe(keys: list[rsa.RSAPrivateKey], monkeypatch: pytest.MonkeyPatch) -> Observe:
    ca_key, *others = keys
    ca = pkcs10.self_signed(pkcs10.name([("CN", "CA")], False), ca_key, "sha256", 0.0)

    def all_facts(habits: Habits) -> dict[str, object]:
        found: dict[str, object] = {
            "waits before enrolling": habits.waits_before_enrolling,
            "flash write": habits.flash_write,
            "restarts": habits.restarts_on_new_settings,
            "starts in 1970": habits.starts_in_1970,
            "tries": habits.enrolment_tries,
            "renewal tries": habits.renewal_tries,
            "stops after one failed": habits.stops_after_failed_profile,
            "one CA": habits.one_ca_for_all,
            "https": habits.speaks_https,
            "trust": habits.scep_needs_trust,
            "class in": habits.class_in,
            "class password as written": habits.class_password_as_written,
            "class challenges": (habits.class_challenges, habits.class_renewal_challenges),
            "class renews": (
                habits.renews_by_class,
                habits.class_renewal_keeps_name,
                habits.class_rests_under_another_name,
            ),
            "class outlives": (
                habits.class_outlives_setting,
                habits.class_name_outlives_class,
                habits.class_name_outlives_certificate,
                habits.outliving_name_has_own_cn,
            ),
            **renewal(habits),
            **toward_services(habits),
            **at_port(habits),
            **classes(habits),
        }
        for situation, (values, held, former) in SITUATIONS.items():
            known = parameters.known(UNIT, habits)
            plan = profiles.plan(
                Settings(known, {}, values),
                UNIT,
                habits,
                {slot: URLS[slot] for slot in held},
                {slot: URLS[slot] for slot in former},
                "http://10.0.0.1",
            )
            found[f"{situation}: clear"] = plan.clear
            found[f"{situation}: order"] = [profile.slot for profile in plan.enrol]
            for profile in plan.enrol:
                supply: Iterator[rsa.RSAPrivateKey] = iter(others)
                monkeypatch.setattr(pkcs10, "generate_key", lambda _bits, supply=supply: next(supply))
                for fact, value in wire(profile, habits, ca, ca_key).items():
                    found[f"{situation}: {fact} {profile.slot}"] = value
        return found

    return all_facts


def renewal(habits: Habits) -> dict[str, object]:
    """What stands in the phone's way to another certificate."""
    year = Validity(0.0, 1000.0, 800.0)
    return {
        "renewal type": habits.renewal_type,
        "renewal afresh": habits.renewal_signs_afresh,
        "renewal key": habits.renewal_keeps_key,
        "renewal challenge": habits.renewal_challenges,
        "renewal looks": [habits.looks(5000.0, power_on) for power_on in (0.0, 400.0, 9000.0)],
        "renewal lateness": habits.lateness(5000.0),
        "renewal percent": [habits.renew_percent({1: 50, 2: 90, 3: 99}, slot) for slot in (1, 2, 3)],
        "renewal drift": [habits.renewal_drift(each, 0.0) for each in (Zone(3600.0), SUMMER, Zone(3600.0, 7200.0))],
        "renewal again": habits.renews_again,
        "renewal remembered": habits.remembers_attempts,
        "expired": habits.replaces_expired,
        "retry from end": habits.retries_count_from_end,
        "gives up on": habits.gives_up_on,
        "enrolment again": habits.retries_enrolment_after,
        "polls": habits.poll_interval,
        "pending remembered": habits.remembers_pending,
        "time": (habits.needs_time, habits.heeds_time_told, habits.sets_clock_back),
        "percentages": {
            value: Settings(parameters.known(UNIT, habits), {}, {"MYCERTRENEW": value})["MYCERTRENEW"] for value in ("0", "40")
        },
        "default percentage": Settings(parameters.known(UNIT, habits), {}, {})["MYCERTRENEW"],
        "renews": habits.renews,
        "renewal due": habits.renewal_due(year, 90),
        "renewal subject": list(habits.renewal_subject((("O", "Lab"), ("CN", "phone")))),
        "renewal once": habits.stops_after_renewal,
        "retry": habits.retries_every,
        "retry at a closed port": habits.calls_closed_port_every,
        "retry from boot": habits.retries_count_from_boot,
        "gives up": habits.gives_up_after,
        "resends": habits.resends_refused_renewal,
    }


USAGES = {
    "list": ("SIP,LDAP", "XSI", "PPM"),
    "blanks": ("SIP", "XSI", "PPM, PUSH"),
    "case": ("SIP", "XSI", "sYSLOG"),
    "exclusion": ("LDAP", "XSI,PUSH,!PUSH", "!PPM"),
    "shared": ("SIP", "SIP", "XSI"),
    "spelling": ("Ring Central", "XSI", "LDAP"),
}


def toward_services(habits: Habits) -> dict[str, object]:
    """What services over TLS see of the phone; of an assignment only what differs from the profiles' own order."""
    found: dict[str, object] = {
        "tls": habits.newest_tls,
        "web every": habits.web_every,
        "registers every": habits.registers_every,
        "keeps directory": habits.keeps_directory,
        "connects first": habits.connects_before_enrolment,
        "unaware": habits.unaware_of_renewal,
        "keeps tls": habits.keeps_tls_at_renewal,
    }
    known = parameters.known(UNIT, habits)
    for name, usages in USAGES.items():
        told = Settings(known, {}, {slotted("SCEP_USAGE", slot): text for slot, text in zip((1, 2, 3), usages, strict=True)})
        found[f"usage: {name}"] = usage.assignment(told, habits, {1, 2, 3})
    misspelt = Settings(known, {}, {"SECP_USAGE": "SIP", "SECP_2_USAGE": "XSI", "MYCERTKEYLEN3": "4096"})
    found["by another name"] = misspelt.given
    found["usage: default"] = usage.assignment(Settings(known, {}, {}), habits, {1})
    return found


def at_port(habits: Habits) -> dict[str, object]:
    """What a port that asks for 802.1X sees of the phone; profile 2 is the one for it."""
    known = parameters.known(UNIT, habits)
    told = Settings(
        known, {}, {"DOT1XSTAT": "1", "DOT1XEAPS": "TLS", "SCEP_USAGE": "SIP", "SCEP_2_USAGE": "All", "SCEP_3_USAGE": "PPM"}
    )
    named = Settings(known, {}, {"FORCE_DOT1XID_TLS": "lab-$SERIALNO"})
    return {
        "port: profile": supplicant.presented_slot(told, habits, {1, 2, 3}),
        "port: untold": supplicant.presented_slot(named, habits, {1, 2, 3}),
        "port: name": supplicant.identity(told, UNIT, habits),
        "port: name set": supplicant.identity(named, UNIT, habits),
        "port: waits": habits.waits_at_port,
        "port: version": habits.eapol_version,
        "port: fragment": habits.eap_fragment,
    }


def classes(habits: Habits) -> dict[str, object]:
    """Where the first profile goes that has an entity class, in an Aura environment and elsewhere."""
    told = {"MYCERTURL": "http://10.0.0.1:8080/scep", "SCEP_ENTITY_CLASS": "J100", "ENABLE_3PCC_ENVIRONMENT": "0"}
    elsewhere = told | {"ENABLE_AVAYA_ENVIRONMENT": "0", "ENABLE_3PCC_ENVIRONMENT": "1"}
    settings = (Settings(parameters.known(UNIT, habits), {}, values) for values in (told, elsewhere))
    aura, others = (profiles.urls(each, UNIT, habits)[1] for each in settings)
    return {"url with a class": aura, "url with a class elsewhere": others}


def wire(profile: profiles.Profile, habits: Habits, ca: Any, ca_key: rsa.RSAPrivateKey) -> dict[str, object]:
    """What a CA sees of one enrolment."""
    if profile.prompts:
        return {"prompts": True}
    asked: list[tuple[str, str, bytes | None]] = []

    def exchange(url: str, agent: str, body: bytes | None) -> web.Answer:
        asked.append((url, agent, body))
        operation = parse_qs(urlsplit(url).query)["operation"][0]
        answers = {"GetCACaps": b"POSTPKIOperation\nSHA-1\nSHA-256\n", "GetCACert": ca.dump()}
        return web.Answer(200, "", answers[operation]) if operation in answers else web.Answer(500, "", b"")

    with pytest.raises(Refused, match="HTTP 500"):
        Enrolment(profile, UNIT, habits, Clock(1.0), exchange).begin()
    found: dict[str, object] = {
        "url": profile.url,
        "key bits": profile.key_bits,
        "agent": {agent for _, agent, _ in asked},
        "asked": [parse_qs(urlsplit(url).query)["operation"] for url, _, _ in asked],
        "identifier": [parse_qs(urlsplit(url).query).get("message") for url, _, _ in asked if "GetCACert" in url],
        "method": "GET" if asked[-1][2] is None else "POST",
    }
    message = asked[-1][2] or base64.b64decode(parse_qs(urlsplit(asked[-1][0]).query)["message"][0])
    return {**found, **read(message, habits, ca_key)}


def read(message: bytes, habits: Habits, ca_key: rsa.RSAPrivateKey) -> dict[str, object]:
    signed = cms.ContentInfo.load(message)["content"]
    info = signed["signer_infos"][0]
    attributes = {each["type"].dotted: each["values"][0] for each in info["signed_attrs"]}
    nonce = attributes[pkimessage.SENDER_NONCE].parse(core.OctetString).native
    envelope = signed["encap_content_info"]["content"].native
    request = csr.CertificationRequest.load(pkimessage._opened(envelope, ca_key))
    body = request["certification_request_info"]
    own_key = body["subject_pk_info"].dump()
    public = serialization.load_der_public_key(own_key)
    assert isinstance(public, rsa.RSAPublicKey)
    digest = request["signature_algorithm"].hash_algo
    try:
        hasher = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[digest]
        public.verify(request["signature"].native, body.dump(), padding.PKCS1v15(), hasher)
        intact = True
    except InvalidSignature:
        intact = False
    challenge = [each["values"][0] for each in body["attributes"] if each["type"].native == "challenge_password"]
    inner = cms.ContentInfo.load(envelope)["content"]["encrypted_content_info"]
    names = [part[0] for part in body["subject"].chosen]
    identity = attributes[pkimessage.TRANSACTION_ID].parse(core.PrintableString).native
    return {
        "digests": (digest, info["digest_algorithm"]["algorithm"].native),
        "signature algorithm": info["signature_algorithm"]["algorithm"].native,
        "nonce length": len(nonce),
        "nonce fresh": nonce != habits.nonce(UNIT),
        "transactionID": identity == hashlib.sha1(own_key).hexdigest(),
        "cn": [part["value"].native for part in names if part["type"].native == "common_name"],
        "cn last": names[-1]["type"].native == "common_name",
        "dn": [(part["type"].native, part["value"].native) for part in names if part["type"].native != "common_name"],
        "strings": {part["value"].name for part in names} | {value.name for value in challenge},
        "challenge": [value.native for value in challenge],
        "cipher": inner["content_encryption_algorithm"]["algorithm"].native,
        "csr signature": intact,
        "message signature": _holds(signed["certificates"][0].chosen, info),
        "same key": own_key == signed["certificates"][0].chosen.public_key.dump(),
    }


def _holds(signer: Any, info: Any) -> bool:
    public = serialization.load_der_public_key(signer.public_key.dump())
    assert isinstance(public, rsa.RSAPublicKey)
    hasher = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}[info["digest_algorithm"]["algorithm"].native]
    try:
        public.verify(info["signature"].native, info["signed_attrs"].untag().dump(), padding.PKCS1v15(), hasher)
    except InvalidSignature:
        return False
    return True


def changed(observe: Observe, habits: Habits) -> dict[str, set[str]]:
    """By situation, the facts that differ from the plain phone's; "order" alone where other profiles enrol."""
    plain, other = observe(Habits()), observe(habits)
    found: dict[str, set[str]] = {}
    for key in sorted(plain.keys() | other.keys()):
        if plain.get(key) != other.get(key):
            situation, _, fact = key.rpartition(": ")
            found.setdefault(situation, set()).add(re.sub(r" [123]$", "", fact))
    for facts in found.values():
        if "order" in facts:
            facts.intersection_update({"order"})
        if facts & {"cn", "challenge"}:
            facts.discard("strings")  # a "$" is no PrintableString
    return found


def everywhere(fact: str) -> dict[str, set[str]]:
    return {situation: {fact} for situation in ("plain", "2048", "set", "invalid")}


def unset(fact: str) -> dict[str, set[str]]:
    return {situation: {fact} for situation in ("plain", "2048", "invalid")}


CHANGES = {
    "get-only": everywhere("method"),
    "no-getcacaps": everywhere("asked"),
    "sha1": everywhere("digests"),
    "sha256": {},  # what the plain phone does with a CA that offers it
    "nonce-8": everywhere("nonce length"),
    "txid-random": everywhere("transactionID"),
    "txid-hash": everywhere("transactionID"),
    "txid-decimal": everywhere("transactionID"),
    "triple-des": unset("cipher"),
    "sha-with-rsa": everywhere("signature algorithm"),
    "curl-user-agent": everywhere("agent"),
    "utf8-strings": everywhere("strings"),
    "cn-first": {"set": {"cn last"}},
    "reversed-profiles": everywhere("order"),
    "slow-flash": {"": {"flash write"}},
    "clock-1970": {"": {"starts in 1970"}},
    "self-restart": {"": {"restarts"}},
    "renews-by-pkcsreq": {"": {"renewal type"}},
    "renews-afresh": {"": {"renewal afresh"}},
    "keeps-key": {"": {"renewal key"}},
    "no-renewal-challenge": {"": {"renewal challenge"}},
    "checks-hourly": {"": {"renewal looks"}},
    "checks-daily": {"": {"renewal looks"}},
    "checks-at-midnight": {"": {"renewal looks"}},
    "renews-late": {"": {"renewal lateness"}},
    "retries-from-the-end": {"": {"retry from end"}},
    "remembers-attempts": {"": {"renewal remembered"}},
    "replaces-expired": {"": {"expired"}},
    "retries-enrolment": {"": {"enrolment again"}},
    "polls-slowly": {"": {"polls"}},
    "pending-survives": {"": {"pending remembered"}},
    "needs-time": {"": {"time"}},
    "gives-up-after-http-500": {"": {"gives up on"}},
    "gives-up-after-badtime": {"": {"gives up on"}},
    "retries-twice-a-day": {"": {"retry"}},
    "renews-no-more": {"": {"renewal again"}},
    "renews-by-profile-1": {"": {"renewal percent"}},
    "renew-percent-capped": {"": {"renewal percent"}},
    "renew-percent-clamped": {"": {"percentages"}},
    "renew-default-50": {"": {"percentages", "default percentage"}},
    "renews-by-local-time": {"": {"renewal drift"}},
    "renews-by-summer-time": {"": {"renewal drift"}},
    "zone-backwards": {"": {"renewal drift"}},
    "clock-never-back": {"": {"time"}},
    "ignores-time-told": {"": {"time"}},
    "never-renews": {"": {"renews"}},
    "renews-by-remaining-time": {"": {"renewal due"}},
    "renews-from-issue": {"": {"renewal due"}},
    "renews-early": {"": {"renewal due"}},
    "renewal-changes-cn": {"": {"renewal subject"}},
    "renewal-drops-dn": {"": {"renewal subject"}},
    "renews-daily": {"": {"renewal once"}},
    "retries-hourly": {"": {"retry"}},
    "calls-closed-port-hourly": {"": {"retry at a closed port"}},
    "retries-weekly": {"": {"retry"}},
    "retries-from-boot": {"": {"retry from boot"}},
    "gives-up-after-three": {"": {"gives up"}},
    "highest-profile": {"usage": {"shared"}},
    "exclusion-means-all": {"usage": {"exclusion"}},
    "template-spellings": {"usage": {"spelling"}},
    "misspelt-names": {"": {"by another name"}},
    "newest-tls": {"": {"tls"}},
    "re-registers-often": {"": {"registers every"}},
    "closes-idle-ldap": {"": {"keeps directory"}},
    "connects-before-enrolment": {"": {"connects first"}},
    "eapol-version-1": {"port": {"version"}},
    "small-eap-fragments": {"port": {"fragment"}},
    "impatient-at-port": {"port": {"waits"}},
    "8021x-ignored": {"port": {"profile"}},
    "8021x-wrong-profile": {"port": {"profile"}},
    "8021x-upper-mac": {"port": {"name"}},
    "8021x-identity-ignored": {"port": {"name set"}},
    "usage-wrong-profile": {"usage": {*USAGES}, "port": {"profile"}},
    "usage-not-looked-at": {"usage": {*USAGES}, "port": {"profile"}},
    "usage-first-name-only": {"usage": {"list", "blanks"}},
    "usage-blanks-not-taken": {"usage": {"blanks"}},
    "usage-case-sensitive": {"usage": {"case"}},
    "usage-exclusion-ignored": {"usage": {"exclusion"}},
    "usage-default-nothing": {"usage": {"default"}},
    "usage-2-ignored": {"usage": {*USAGES}},
    "usage-3-ignored": {"usage": {*USAGES}},
    "old-certificate-until-restart": {"": {"unaware"}},
    "provisioning-old-certificate": {"": {"unaware"}},
    "renewal-drops-tls": {"": {"keeps tls"}},
    "invalid-keylen-1024": {"invalid": {"key bits"}},
    "keylen-4096-ignored": {"set": {"key bits"}},
    "keylen-default-1024": {"plain": {"key bits"}, "invalid": {"key bits"}},
    "keylen-2048-raised": {"2048": {"key bits"}, "set": {"key bits"}},
    "keylen-3-ignored": {"set": {"key bits"}},
    "one-keylen-for-all": {"set": {"key bits"}},
    "cn-default-mac": unset("cn"),
    "serial-lower-case": everywhere("cn"),
    "mac-with-colons": {"set": {"cn"}},
    "mac-upper-case": {"set": {"cn"}},
    "mac-upper-not-upper": {"set": {"cn"}},
    "macro-unexpanded": {"set": {"cn"}},
    "cn-without-macro-taken": {"invalid": {"cn"}},
    "dn-reversed": {"set": {"dn"}},
    "dn-invented": unset("dn"),
    "dn-dropped": {"set": {"dn"}},
    "ca-identifier-not-sent": {"set": {"identifier"}},
    "default-ca-identifier-empty": unset("identifier"),
    "aes-asked-des-used": {"set": {"cipher"}},
    "des-asked-aes-used": unset("cipher"),
    "challenge-missing": unset("challenge"),
    "password-macro-unexpanded": {"set": {"challenge"}},
    "password-serial-lower-case": {"set": {"challenge"}},
    "password-3-ignored": {"set": {"challenge"}},
    "password-truncated": {"set": {"challenge"}},
    "profile-3-ignored": everywhere("order"),
    "profiles-share-url": everywhere("url") | {"held": {"order"}, "deleted": {"order"}},
    "one-profile-a-boot": everywhere("order"),
    "re-enrols-each-boot": {"held": {"order"}, "deleted": {"order"}, "second deleted": {"order"}},
    "contacts-without-url": {situation: {"order"} for situation in ("empty password", "empty class password", "no url")},
    "csr-key-differs": everywhere("same key"),
    "csr-signature-bad": everywhere("csr signature"),
    "message-signature-bad": everywhere("message signature"),
    "stale-nonce": everywhere("nonce fresh"),
    "enrols-late": {"": {"waits before enrolling"}},
    "clearing-ignored": {situation: {"clear"} for situation in ("deleted", "second deleted", "only one deleted")},
    "stops-after-failed-profile": {"": {"stops after one failed"}},
    "enrols-twice": {"": {"tries"}},
    "renews-twice": {"": {"renewal tries"}},
    "deletes-and-does-not-block": {"deleted": {"order"}, "second deleted": {"order"}},
    "delete-2-ignored": {"second deleted": {"clear"}},
    "deletes-next-slot": {"second deleted": {"order"}},
    "delete-my-cert-takes-all": {"one of several deleted": {"clear"}},
    "delete-my-cert-ignored": {"only one deleted": {"clear"}},
    "keeps-only-certificate": {"only one deleted": {"clear"}},
    "delete-my-cert-does-not-block": {"only one deleted": {"order"}},
    "gives-up-after-one": {"": {"gives up"}},
    "resends-refused-renewal": {"": {"resends"}},
    "one-ca-for-all": {"": {"one CA"}},
    "entity-class-outside-aura": {"": {"url with a class elsewhere"}},
    "entity-class-in-clear": {"": {"url with a class"}},
    "https-without-trust": {"": {"trust"}},
    "class-in-query": {"": {"class in"}},
    "class-unseen": {"": {"class in"}},
    "class-password-missing": {"": {"class challenges"}},
    "class-macro-unexpanded": {"": {"class password as written"}},
    "class-not-renewed": {"": {"class renews"}},
    "class-renewal-without-password": {"": {"class challenges"}},
    "class-rests-under-another-name": {"": {"class renews"}},
    "class-renews-old-name": {"": {"class renews"}},
    "old-name-after-class": {"": {"class outlives"}},
    "old-name-after-deletion": {"": {"class outlives"}},
    "old-dn-after-class": {"": {"class outlives"}},
    "class-kept-after-removal": {"": {"class outlives"}},
    "forced-https-at-443": {"": {"url with a class"}},
    "https-url-in-clear": {"": {"https"}},
}


PROMPTLESS = {
    "empty-password-sends-serial": "empty password",
    "class-password-made-up": "empty class password",
}
"""Defects by which nobody is asked for the password, each with the situation in which somebody should be."""


@pytest.mark.parametrize("name", [*catalogue.VARIANTS, *catalogue.DEFECTS])
def test_changes_what_it_says_and_nothing_else(name: str, observe: Observe) -> None:
    habits = catalogue.habits([name] if name in catalogue.VARIANTS else [], [name] if name in catalogue.DEFECTS else [])
    found = changed(observe, habits)
    if name in PROMPTLESS:
        # The whole enrolment stands where the prompt stood.
        assert set(found) == {PROMPTLESS[name]}
        assert "prompts" in found[PROMPTLESS[name]]
    else:
        assert found == CHANGES[name]


def test_the_phone_prompts_for_an_empty_password(observe: Observe) -> None:
    assert observe(Habits())["empty password: prompts 1"] is True


def test_defects_and_variants_combine(observe: Observe) -> None:
    both = catalogue.habits(
        ["cn-first", "nonce-8"], ["keylen-3-ignored", "profile-3-ignored", "mac-upper-case", "serial-lower-case"]
    )
    assert both.ignored == {"MYCERTKEYLEN_3", "MYCERTURL_3"}
    assert both.cn.meaning(UNIT)["$MACADDR"] == "C81FEA83E85A"
    assert observe(both)["set: cn 1"] == ["J100-19wz123456"]
    assert observe(both)["set: nonce length 2"] == 8


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="no-such-defect"):
        catalogue.habits([], ["no-such-defect"])


@pytest.mark.parametrize("option", ["--list-variants", "--list-defects"])
def test_the_program_lists_them(option: str) -> None:
    command = [sys.executable, "-m", "hil.virtual.phone", option]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    table = catalogue.VARIANTS if option == "--list-variants" else catalogue.DEFECTS
    assert [each["name"] for each in listed] == list(table)
    assert all(each["does"] for each in listed)
    if option == "--list-defects":
        assert len(listed) >= 18
        assert all(each["requirement"] == catalogue.DEFECTS[each["name"]].requirement for each in listed)


def test_the_page_has_every_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "virtual-phone.md").read_text()
    for name, variant in catalogue.VARIANTS.items():
        assert f"| `{name}` | {variant.does} |\n" in page
    for name, defect in catalogue.DEFECTS.items():
        assert f"| `{name}` | {defect.does} | {defect.requirement} |\n" in page
