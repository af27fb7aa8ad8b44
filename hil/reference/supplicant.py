"""What a phone presents to a port that asks for 802.1X: decided from what it was last told and what it holds, without I/O.

Source: Avaya's settings template of July 2022, DOT1XSTAT (off unless told), DOT1XEAPS, FORCE_DOT1XID_TLS. A phone that
is shut out has no settings but those of its last boot.
"""

from __future__ import annotations

from hil.identity import Identity, MacroPlace, expand
from hil.reference.eapol import Credentials
from hil.reference.store import CertificateStore
from hil.reference.usage import serving_slot
from hil.settings.interpret import Interpretation
from hil.settings.profiles import profiles
from hil.settings.usage import read_usage

SERVICE = "8021X"


def speaks_eap_tls(told: Interpretation) -> bool:
    """Whether a phone with these settings is a supplicant, and by a certificate."""
    return told.value("DOT1XSTAT") != "0" and told.value("DOT1XEAPS") == "TLS"


def supplicant(told: Interpretation, identity: Identity, store: CertificateStore) -> Credentials | None:
    """The name and the certificate that `identity` presents, None where it presents none."""
    usages = {profile.slot: read_usage(profile.usage) for profile in profiles(told, identity)}
    slot = serving_slot(SERVICE, usages, [held.slot for held in store.all()])
    held = store.held(slot) if slot is not None else None
    if held is None or not speaks_eap_tls(told):
        return None
    name = expand(told.value("FORCE_DOT1XID_TLS"), identity, MacroPlace.DOT1X)
    return Credentials(name, held.certificate, held.key)
