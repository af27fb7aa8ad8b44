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

from hil.virtual.phone import catalogue, parameters, pkcs10, pkimessage, profiles, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.enrolment import Enrolment
from hil.virtual.phone.errors import Refused
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings, slotted
from hil.virtual.phone.renewal import Validity
from hil.virtual.phone.unit import Unit

UNIT = Unit("J179", "C8-1F-EA-83-E8-5A", "19wz123456", "4.1.3.0.6")
URLS = {slot: f"http://10.0.0.1/scep/j179/{slot}/pkiclient.exe" for slot in (1, 2, 3)}
ALL_URLS = {slotted("MYCERTURL", slot): url for slot, url in URLS.items()}


Observe = Callable[[Habits], dict[str, object]]


def every_slot(**values: str) -> dict[str, str]:
    return {slotted(name, slot): value for name, value in values.items() for slot in (1, 2, 3)}


# Settings, the profiles whose certificate is held, the profiles whose URL is remembered.
SITUATIONS: dict[str, tuple[dict[str, str], set[int], set[int]]] = {
    "plain": (ALL_URLS, set(), set()),
    "set": (
        ALL_URLS
        | every_slot(MYCERTDN="/C=US/O=Lab/OU=QA", MYCERTCAID="Other", MYCERTKEYLEN="4096", SCEPENCALG="1")
        | {"MYCERTCN": "J100-$SERIALNO", "MYCERTCN_2": "$MACADDR", "MYCERTCN_3": "$MACADDR_UPPER"}
        | {"SCEPPASSWORD": "pw-$SERIALNO", "SCEPPASSWORD_2": "$MACADDR", "SCEPPASSWORD_3": "correct horse battery"},
        set(),
        set(),
    ),
    "invalid": (ALL_URLS | every_slot(MYCERTKEYLEN="1024", MYCERTCN="no macro in it"), set(), set()),
    "empty password": ({"MYCERTURL": URLS[1], "SCEPPASSWORD": ""}, set(), set()),
    "held": (ALL_URLS, {1, 2, 3}, {1, 2, 3}),
    "deleted": (ALL_URLS | {"DELETE_SCEP_CERT": "1"}, {1, 2, 3}, {1, 2, 3}),
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
            **renewal(habits),
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
        "renewal checks": habits.checks_every,
        "renews": habits.renews,
        "renewal due": habits.renewal_due(year, 90),
        "renewal subject": list(habits.renewal_subject((("O", "Lab"), ("CN", "phone")))),
        "renewal once": habits.stops_after_renewal,
        "retry": habits.retries_every,
        "retry from boot": habits.retries_count_from_boot,
        "gives up": habits.gives_up_after,
    }


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
        "same key": own_key == signed["certificates"][0].chosen.public_key.dump(),
    }


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
    return {situation: {fact} for situation in ("plain", "set", "invalid")}


def unset(fact: str) -> dict[str, set[str]]:
    return {situation: {fact} for situation in ("plain", "invalid")}


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
    "checks-hourly": {"": {"renewal checks"}},
    "never-renews": {"": {"renews"}},
    "renews-by-remaining-time": {"": {"renewal due"}},
    "renews-from-issue": {"": {"renewal due"}},
    "renews-early": {"": {"renewal due"}},
    "renewal-changes-cn": {"": {"renewal subject"}},
    "renewal-drops-dn": {"": {"renewal subject"}},
    "renews-daily": {"": {"renewal once"}},
    "retries-hourly": {"": {"retry"}},
    "retries-weekly": {"": {"retry"}},
    "retries-from-boot": {"": {"retry from boot"}},
    "gives-up-after-three": {"": {"gives up"}},
    "invalid-keylen-1024": {"invalid": {"key bits"}},
    "keylen-4096-ignored": {"set": {"key bits"}},
    "keylen-default-1024": unset("key bits"),
    "keylen-3-ignored": {"set": {"key bits"}},
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
    "re-enrols-each-boot": {"held": {"order"}, "deleted": {"order"}},
    "contacts-without-url": {"empty password": {"order"}, "no url": {"order"}},
    "csr-key-differs": everywhere("same key"),
    "csr-signature-bad": everywhere("csr signature"),
    "stale-nonce": everywhere("nonce fresh"),
    "enrols-late": {"": {"waits before enrolling"}},
    "clearing-ignored": {"deleted": {"clear"}},
}


@pytest.mark.parametrize("name", [*catalogue.VARIANTS, *catalogue.DEFECTS])
def test_changes_what_it_says_and_nothing_else(name: str, observe: Observe) -> None:
    habits = catalogue.habits([name] if name in catalogue.VARIANTS else [], [name] if name in catalogue.DEFECTS else [])
    found = changed(observe, habits)
    if name == "empty-password-sends-serial":
        # The whole enrolment stands where the prompt stood.
        assert set(found) == {"empty password"}
        assert "prompts" in found["empty password"]
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
