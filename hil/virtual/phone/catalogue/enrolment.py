"""How phones enrol otherwise: which variants are right, which defects wrong."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.habits import Habits, Macros, fresh_nonce
from hil.virtual.phone.unit import Unit

VARIANTS: Mapping[str, Variant] = {
    "get-only": Variant(
        "sends PKIOperation by GET whatever the CA offers",
        lambda h: replace(h, posts=False),
        ("HABITS", "MESSAGE-SIGNATURE", "KEYLEN-4096", "RENEW-DUE", "PROFILES-OWN-CA"),
    ),
    "no-getcacaps": Variant(
        "never asks GetCACaps, takes SCEPStandard as given",
        lambda h: replace(h, asks_capabilities=False),
        ("HABITS", "CAID-SET", "CIPHER-DES", "CIPHER-AES", "RENEW-DUE", "PROFILES-OWN-CA", "RENEW-ENTITY-NEW"),
    ),
    "sha1": Variant(
        "signs CSR and pkiMessage with SHA-1 whatever the CA offers",
        lambda h: replace(h, digest="sha1"),
        ("HABITS", "CSR-SIGNATURE", "MESSAGE-SIGNATURE", "RENEW-DUE", "PROFILES-OWN-CA"),
    ),
    "sha256": Variant(
        "signs CSR and pkiMessage with SHA-256 whatever the CA offers",
        lambda h: replace(h, digest="sha256"),
        ("HABITS", "CSR-SIGNATURE", "MESSAGE-SIGNATURE", "RENEW-DUE", "PROFILES-OWN-CA"),
    ),
    "nonce-8": Variant(
        "sends nonces of 8 bytes", lambda h: replace(h, nonce=lambda unit: fresh_nonce(unit)[:8]), ("HABITS", "NONCE-FRESH")
    ),
    "txid-random": Variant(
        "takes 32 random hex digits as transactionID",
        lambda h: replace(h, transaction_id=_random_id),
        ("HABITS", "NONCE-FRESH", "RENEW-DUE"),
    ),
    "txid-hash": Variant(
        "takes the MD5 of the public key as transactionID",
        lambda h: replace(h, transaction_id=_md5_of_key),
        ("HABITS", "NONCE-FRESH", "RENEW-DUE"),
    ),
    "txid-decimal": Variant(
        "takes a number of 20 digits as transactionID",
        lambda h: replace(h, transaction_id=_decimal_id),
        ("HABITS", "NONCE-FRESH", "RENEW-DUE"),
    ),
    "triple-des": Variant(
        "takes DES, SCEPENCALG 0, for triple DES",
        lambda h: replace(h, ciphers={**h.ciphers, "0": "tripledes_3key"}),
        ("HABITS", "CIPHER-DES", "CIPHER-AES", "THREE-PROFILES", "RENEW-RETRY"),
    ),
    "sha-with-rsa": Variant(
        "names the digest in SignerInfo's signature algorithm",
        lambda h: replace(h, names_digest_in_signature=True),
        ("MESSAGE-SIGNATURE", "KEY-MATCHES-SIGNER", "RENEW-DUE"),
    ),
    "curl-user-agent": Variant(
        "calls itself libcurl on SCEP requests",
        lambda h: replace(h, scep_user_agent=lambda _unit: "libcurl/7.43.0"),
        ("HABITS", "DURING-BOOT", "PROFILE-URL"),
    ),
    "utf8-strings": Variant(
        "writes subject and challenge as UTF8String",
        lambda h: replace(h, utf8_strings=True),
        (
            "CN-DEFAULT",
            "CN-TEXT",
            "DN-PRESENT",
            "DN-ORDER",
            "PASSWORD-DEFAULT",
            "PASSWORD-MACRO",
            "PASSWORD-FIXED",
            "RENEW-PARAMETERS",
        ),
    ),
    "cn-first": Variant(
        "puts the CN before the parts of MYCERTDN",
        lambda h: replace(h, cn_first=True),
        ("CN-TEXT", "DN-PRESENT", "DN-ORDER", "DN-ABSENT", "DN-CN-POSITION", "PROFILE-PARAMETERS", "RENEW-PARAMETERS"),
    ),
    "dn-reversed": Variant(
        "puts the parts of MYCERTDN in reverse order",
        lambda h: replace(h, dn_order=lambda parts: parts[::-1]),
        ("DN-ORDER", "DN-PRESENT", "DN-ABSENT", "DN-CN-POSITION", "PROFILE-PARAMETERS", "RENEW-PARAMETERS", "CLASS-LEFT"),
    ),
    "csr-key-differs": Variant(
        "signs the pkiMessage with another key than the CSR's",
        lambda h: replace(h, signs_with_csr_key=False),
        ("KEY-MATCHES-SIGNER", "CSR-SIGNATURE", "MESSAGE-SIGNATURE", "KEYLEN-DEFAULT", "CN-DEFAULT"),
    ),
    "reversed-profiles": Variant(
        "enrols profile 3 before 2 before 1",
        lambda h: replace(h, slots=(3, 2, 1)),
        ("PROFILE-URL", "THREE-PROFILES", "PROFILE-PARAMETERS", "DURING-BOOT", "NO-URL"),
    ),
    "slow-flash": Variant(
        "needs 20 s to write a certificate into flash",
        lambda h: replace(h, flash_write=20.0),
        ("THREE-PROFILES", "NO-SECOND-ENROLMENT", "CLEARING", "DELETE-OWN-SLOT", "RENEW-ONCE"),
    ),
    "clock-1970": Variant(
        "starts in 1970 until SNTP answers",
        lambda h: replace(h, starts_in_1970=True),
        ("DURING-BOOT", "NO-SECOND-ENROLMENT", "RENEW-DUE", "RENEW-RETRY"),
    ),
    "self-restart": Variant(
        "restarts once by itself after settings it did not have before",
        lambda h: replace(h, restarts_on_new_settings=True),
        (
            "DURING-BOOT",
            "NO-URL",
            "PASSWORD-EMPTY",
            "NO-SECOND-ENROLMENT",
            "CLEARING",
            "DELETE-OWN-SLOT",
            "NONCE-FRESH",
            "KEYLEN-4096",
            "RENEW-DUE",
        ),
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "invalid-keylen-1024": Defect(
        "takes the invalid key length 1024", "KEYLEN-INVALID", lambda h: replace(h, key_lengths=h.key_lengths | {"1024"})
    ),
    "keylen-4096-ignored": Defect(
        "takes 4096 for an invalid key length", "KEYLEN-4096", lambda h: replace(h, key_lengths=h.key_lengths - {"4096"})
    ),
    "keylen-default-1024": Defect(
        "makes keys of 1024 bits where no length is set", "KEYLEN-DEFAULT", lambda h: replace(h, default_key_length="1024")
    ),
    "keylen-2048-raised": Defect(
        "makes keys of 4096 bits where 2048 is set",
        "KEYLEN-2048",
        lambda h: replace(h, told_key_length=lambda text: "4096" if text == "2048" else text),
    ),
    "keylen-3-ignored": Defect("does not know MYCERTKEYLEN_3", "KEYLEN-SLOT-3", lambda h: _without(h, "MYCERTKEYLEN_3")),
    "one-keylen-for-all": Defect(
        "makes the keys of every profile as long as the first one's",
        "KEYLENS-SIDE-BY-SIDE",
        lambda h: replace(h, key_length_slot=dict.fromkeys(h.key_length_slot, 1)),
    ),
    "cn-default-mac": Defect(
        "takes the MAC address for its name where MYCERTCN is not set", "CN-DEFAULT", lambda h: replace(h, default_cn="$MACADDR")
    ),
    "serial-lower-case": Defect(
        "writes $SERIALNO in the CN in lower case", "CN-SERIALNO", lambda h: _cn(h, serial=lambda u: u.serial.lower())
    ),
    "mac-with-colons": Defect("writes $MACADDR in the CN with colons", "CN-MACADDR", lambda h: _cn(h, mac=_colons)),
    "mac-upper-case": Defect(
        "writes $MACADDR in the CN in upper case", "CN-MACADDR", lambda h: _cn(h, mac=lambda u: u.mac_digits.upper())
    ),
    "mac-upper-not-upper": Defect(
        "writes $MACADDR_UPPER in the CN in lower case", "CN-MACADDR-UPPER", lambda h: _cn(h, mac_upper=lambda u: u.mac_digits)
    ),
    "macro-unexpanded": Defect(
        "expands a macro of MYCERTCN only where it is the whole value", "CN-TEXT", lambda h: _cn(h, expand=_whole_value_only)
    ),
    "cn-without-macro-taken": Defect(
        "takes a MYCERTCN that has no macro", "CN-NO-MACRO", lambda h: replace(h, cn_needs_macro=False)
    ),
    "dn-invented": Defect("adds O=Avaya where MYCERTDN is not set", "DN-ABSENT", lambda h: replace(h, default_dn="/O=Avaya")),
    "dn-dropped": Defect("leaves MYCERTDN out of the subject", "DN-PRESENT", lambda h: replace(h, dn_order=lambda _parts: ())),
    "ca-identifier-not-sent": Defect(
        "asks for the default CA whatever MYCERTCAID says", "CAID-SET", lambda h: _without(h, *_slots("MYCERTCAID"))
    ),
    "default-ca-identifier-empty": Defect(
        "names no CA where MYCERTCAID is not set", "CAID-DEFAULT", lambda h: replace(h, default_ca_identifier="")
    ),
    "aes-asked-des-used": Defect(
        "encrypts with DES where SCEPENCALG is 1", "CIPHER-AES", lambda h: replace(h, ciphers={**h.ciphers, "1": "des"})
    ),
    "des-asked-aes-used": Defect(
        "encrypts with AES-256 where SCEPENCALG is 0",
        "CIPHER-DES",
        lambda h: replace(h, ciphers={**h.ciphers, "0": h.ciphers["1"]}),
    ),
    "challenge-missing": Defect(
        "sends no challenge where SCEPPASSWORD is not set",
        "PASSWORD-DEFAULT",
        lambda h: replace(h, unset_password=lambda _unit: None),
    ),
    "password-macro-unexpanded": Defect(
        "sends the macro of SCEPPASSWORD as it stands",
        "PASSWORD-MACRO",
        lambda h: replace(h, password=replace(h.password, expand=lambda text, _meaning: text)),
    ),
    "password-serial-lower-case": Defect(
        "writes $SERIALNO in SCEPPASSWORD in lower case",
        "PASSWORD-MACRO",
        lambda h: replace(h, password=replace(h.password, serial=lambda u: u.serial.lower())),
    ),
    "password-3-ignored": Defect("does not know SCEPPASSWORD_3", "PROFILE-PARAMETERS", lambda h: _without(h, "SCEPPASSWORD_3")),
    "password-truncated": Defect(
        "sends the first 8 characters of a fixed password",
        "PASSWORD-FIXED",
        lambda h: replace(h, fixed_password=lambda text: text[:8]),
    ),
    "empty-password-sends-serial": Defect(
        "sends the serial number where SCEPPASSWORD is empty, and asks nobody",
        "PASSWORD-EMPTY",
        lambda h: replace(h, prompts_for_empty_password=False),
    ),
    "profile-3-ignored": Defect("does not know MYCERTURL_3", "PROFILE-URL", lambda h: _without(h, "MYCERTURL_3")),
    "profiles-share-url": Defect(
        "sends profile 2 to the server of profile 1", "PROFILE-URL", lambda h: replace(h, url_slot={**h.url_slot, 2: 1})
    ),
    "one-profile-a-boot": Defect(
        "enrols one profile in a boot and leaves the others for later ones",
        "THREE-PROFILES",
        lambda h: replace(h, profiles_a_boot=1),
    ),
    "re-enrols-each-boot": Defect(
        "enrols though it holds the certificate", "NO-SECOND-ENROLMENT", lambda h: replace(h, keeps_certificate=False)
    ),
    "contacts-without-url": Defect(
        "goes to a server it guesses where MYCERTURL is not set", "NO-URL", lambda h: replace(h, url_when_unset=_guessed_url)
    ),
    "csr-signature-bad": Defect(
        "spoils the signature of the CSR", "CSR-SIGNATURE", lambda h: replace(h, csr_signature=_last_bit_flipped)
    ),
    "message-signature-bad": Defect(
        "spoils the signature of its messages", "MESSAGE-SIGNATURE", lambda h: replace(h, message_signature=_last_bit_flipped)
    ),
    "stale-nonce": Defect("sends the same senderNonce in every message", "NONCE-FRESH", lambda h: replace(h, nonce=_own_nonce)),
    "enrols-late": Defect(
        "waits 15 minutes after its settings before it enrols",
        "DURING-BOOT",
        lambda h: replace(h, waits_before_enrolling=900.0),
    ),
    "clearing-ignored": Defect(
        "keeps certificates it is told to delete", "CLEARING", lambda h: replace(h, deletes_certificates=False)
    ),
}


def _slots(name: str) -> tuple[str, str, str]:
    return name, f"{name}_2", f"{name}_3"


def _without(habits: Habits, *names: str) -> Habits:
    return replace(habits, ignored=habits.ignored | frozenset(names))


def _cn(
    habits: Habits,
    serial: Callable[[Unit], str] | None = None,
    mac: Callable[[Unit], str] | None = None,
    mac_upper: Callable[[Unit], str] | None = None,
    expand: Callable[[str, Mapping[str, str]], str] | None = None,
) -> Habits:
    old = habits.cn
    new = Macros(serial or old.serial, mac or old.mac, mac_upper or old.mac_upper, expand or old.expand)
    return replace(habits, cn=new)


def _colons(unit: Unit) -> str:
    return ":".join(unit.mac_digits[at : at + 2] for at in range(0, 12, 2))


def _whole_value_only(text: str, meaning: Mapping[str, str]) -> str:
    return meaning.get(text, text)


def _guessed_url(slot: int, known: Mapping[int, str], file_server: str) -> str:
    """The last URL of this profile, else another profile's with the number changed, else the file server's."""
    if slot in known:
        return known[slot]
    for other, url in known.items():
        if f"/{other}/" in url:
            return url.replace(f"/{other}/", f"/{slot}/")
    return f"{file_server}/scep/{slot}/pkiclient.exe" if file_server else ""


def _random_id(_public_key: bytes) -> str:
    return secrets.token_hex(16)


def _decimal_id(_public_key: bytes) -> str:
    return str(10**19 + secrets.randbelow(9 * 10**19))


def _md5_of_key(public_key: bytes) -> str:
    return hashlib.md5(public_key, usedforsecurity=False).hexdigest()


def _last_bit_flipped(signature: bytes) -> bytes:
    return signature[:-1] + bytes([signature[-1] ^ 1])


def _own_nonce(unit: Unit) -> bytes:
    return hashlib.sha256(unit.mac_digits.encode()).digest()[:16]
