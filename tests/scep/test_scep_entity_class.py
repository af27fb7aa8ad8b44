"""System Manager's entity classes: whom their password lets in, until when, and under which name they renew."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hil.clock import ScaledClock
from hil.scep.authority import Authority
from hil.scep.beside import NOTHING, Beside, beside, places
from hil.scep.certificate import Certificate
from hil.scep.csr import build_csr, read_csr
from hil.scep.personas import Admission, persona
from hil.scep.signers import CertificateRequest, EndEntities, EntityClass, Refused, Signer
from hil.secret import Secret

KEY = rsa.generate_private_key(65537, 2048)
CLASS, OWN = Secret("of the class"), Secret("of an entity")
NOW = ScaledClock().now()
AUTHORITY = Authority.create("System Manager", ScaledClock())


def asking(name: str, password: Secret | None, holder: Certificate | None = None, beside: Beside = NOTHING) -> CertificateRequest:
    csr = read_csr(build_csr(KEY, (("CN", name),), challenge_password=password))
    return CertificateRequest(csr, "1", NOW, holder=holder, beside=beside)


def system_manager(place: str = "") -> Signer:
    members = EntityClass({CLASS: "lab phones"}, NOW + timedelta(days=1), place)
    admission = Admission(entities=EndEntities(passwords={"entity": OWN}), entity_class=members)
    return persona("system-manager").signer(AUTHORITY, admission)


@pytest.fixture
def signer() -> Signer:
    return system_manager()


def test_a_member_needs_no_end_entity_and_renews_without_a_status(signer: Signer) -> None:
    held = signer.sign(asking("any phone", CLASS))
    assert signer.sign(asking("any phone", CLASS, held)).subject == held.subject


def test_a_member_renews_under_no_other_name(signer: Signer) -> None:
    held = signer.sign(asking("any phone", CLASS))
    with pytest.raises(Refused, match="the name that it has"):
        signer.sign(asking("another phone", CLASS, held))


def test_the_password_of_a_class_expires(signer: Signer) -> None:
    late = replace(asking("any phone", CLASS), at=NOW + timedelta(days=1))
    with pytest.raises(Refused, match="has expired"):
        signer.sign(late)


@pytest.mark.parametrize("password", [None, Secret("of nobody")])
def test_who_has_another_password_is_no_member(signer: Signer, password: Secret | None) -> None:
    with pytest.raises(Refused, match="end entity is not New"):
        signer.sign(asking("any phone", password))


def test_beside_a_class_an_end_entity_is_served_once(signer: Signer) -> None:
    assert signer.sign(asking("entity", OWN))
    with pytest.raises(Refused, match="not New"):
        signer.sign(asking("entity", OWN))


def test_a_renewal_too_has_to_say_its_class_where_it_is_expected() -> None:
    signer, said = system_manager("header x-class"), {"header x-class": "lab phones"}
    held = signer.sign(asking("any phone", CLASS, beside=said))
    with pytest.raises(Refused, match="no entity class in its place, header x-class"):
        signer.sign(asking("any phone", CLASS, held))
    with pytest.raises(Refused, match="no entity class"):
        signer.sign(asking("any phone", CLASS, held, {"header x-class": "other phones", "query class": "lab phones"}))
    assert signer.sign(asking("any phone", CLASS, held, said)).subject == held.subject


def test_beside_its_message_a_request_has_query_and_header_fields() -> None:
    target = "/scep/1?operation=GetCACert&message=lab%20phones&Class=lab+phones&path=%2Flab%20phones"
    asked = beside(target, {"x-class": "lab phones"})
    assert places("lab phones", asked, None) == {"query class", "query path", "header x-class"}
    assert places("other phones", asked, None) == frozenset()


def test_a_csr_carries_a_text_in_its_subject_or_beside_it() -> None:
    csr = read_csr(build_csr(KEY, (("OU", "lab phones"), ("CN", "any phone")), challenge_password=Secret("lab phones 1")))
    assert places("lab phones", NOTHING, csr) == {"CSR subject", "CSR attributes"}
    assert places("lab phones 1", NOTHING, csr) == {"CSR attributes"}
