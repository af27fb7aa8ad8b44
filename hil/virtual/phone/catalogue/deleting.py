"""How phones delete certificates otherwise: which variants are right, which defects wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hil.virtual.phone.catalogue.entries import Defect, Variant

VARIANTS: Mapping[str, Variant] = {
    "keeps-only-certificate": Variant(
        "counts a certificate of its factory, so that DELETE_MY_CERT never finds an only one",
        lambda h: replace(h, factory_certificates=1),
        ("DELETE-MY-CERT-ONLY", "DELETE-MY-CERT-BLOCKS", "DELETE-MY-CERT-OF-SEVERAL", "CLASS-LEFT"),
    ),
}

DEFECTS: Mapping[str, Defect] = {
    "deletes-and-does-not-block": Defect(
        "deletes a certificate and at once enrols for another, though told to keep others out",
        "CLEARING",
        lambda h: replace(h, delete_blocks=False),
    ),
    "delete-2-ignored": Defect(
        "does not know DELETE_SCEP_2_CERT", "DELETE-OWN-SLOT", lambda h: replace(h, ignored=h.ignored | {"DELETE_SCEP_2_CERT"})
    ),
    "deletes-next-slot": Defect(
        "deletes the third profile's certificate where it is told to delete the second's",
        "DELETE-OWN-SLOT",
        lambda h: replace(h, deleted_slot={**h.deleted_slot, 2: 3}),
    ),
    "delete-my-cert-takes-all": Defect(
        "deletes every certificate where DELETE_MY_CERT is 1, however many there are",
        "DELETE-MY-CERT-OF-SEVERAL",
        lambda h: replace(h, delete_my_cert_takes_all=True),
    ),
    "delete-my-cert-ignored": Defect(
        "does not know DELETE_MY_CERT", "DELETE-MY-CERT-BLOCKS", lambda h: replace(h, ignored=h.ignored | {"DELETE_MY_CERT"})
    ),
    "delete-my-cert-does-not-block": Defect(
        "deletes the only certificate where DELETE_MY_CERT is 1, and enrols for another while it still is",
        "DELETE-MY-CERT-BLOCKS",
        lambda h: replace(h, delete_my_cert_blocks=False),
    ),
}
