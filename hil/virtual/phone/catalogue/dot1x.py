"""How phones speak 802.1X otherwise: which variants are right, which defects wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant
from hil.virtual.phone.habits import upper_mac


def another_than(assigned: int | None, held: Collection[int]) -> int | None:
    """The lowest profile with a certificate that is not the one assigned."""
    return min((slot for slot in held if slot != assigned), default=assigned)


_ABOUT = ("8021X-ASKED", "8021X-PROFILE", "8021X-IDENTITY", "8021X-SPELLING")

VARIANTS: Mapping[str, Variant] = {
    "eapol-version-1": Variant("speaks the first version of EAPOL", lambda h: replace(h, eapol_version=1), _ABOUT),
    "small-eap-fragments": Variant(
        "sends its certificate in pieces of 200 bytes", lambda h: replace(h, eap_fragment=200), _ABOUT
    ),
    "impatient-at-port": Variant(
        "asks for an address before its port has answered", lambda h: replace(h, waits_at_port=0.0), _ABOUT
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "8021x-ignored": Defect("speaks no 802.1X though it is told to", "8021X-ASKED", lambda h: replace(h, speaks_8021x=False)),
    "8021x-wrong-profile": Defect(
        "presents another profile's certificate to its port, and the right one elsewhere",
        "8021X-PROFILE",
        lambda h: replace(h, at_port=another_than),
    ),
    "8021x-upper-mac": Defect(
        "writes $MACADDR in FORCE_DOT1XID_TLS in upper case", "8021X-IDENTITY", lambda h: replace(h, mac_at_port=upper_mac)
    ),
    "8021x-identity-ignored": Defect(
        "does not know FORCE_DOT1XID_TLS",
        "8021X-IDENTITY",
        lambda h: replace(h, ignored=h.ignored | {"FORCE_DOT1XID_TLS"}),
    ),
}
