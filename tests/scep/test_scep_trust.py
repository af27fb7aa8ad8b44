"""Which of the certificates that a server shows are believed, given what is known of its CA."""

from __future__ import annotations

import pytest

from hil.clock import ScaledClock
from hil.errors import Misuse
from hil.scep.authority import Authority
from hil.scep.certificate import Certificate
from hil.scep.client import ServerView
from hil.scep.csr import build_csr, read_csr
from hil.scep.trust import Fingerprint, KnownCertificates, UntrustedCa, chain_above, fingerprint, read_fingerprint, trusted

CLOCK = ScaledClock()
ROOT = Authority.create("Root", CLOCK, key_bits=1024)
GENUINE = Authority.create("Issuing", CLOCK, key_bits=1024, above=ROOT, ra=True, receiver=True)
STRANGER = Authority.create("Issuing", CLOCK, key_bits=1024, ra=True)
CA, RAS = GENUINE.certificate, GENUINE.certificates[:2]


def pinned(certificate: Certificate) -> Fingerprint:
    return read_fingerprint(fingerprint(certificate))


def view(*certificates: Certificate) -> ServerView:
    return ServerView((), certificates)


@pytest.mark.parametrize("anchor", [CA, ROOT.certificate], ids=["issuing CA", "root"])
def test_what_was_issued_below_is_believed(anchor: Certificate) -> None:
    believed = trusted(view(*GENUINE.certificates), pinned(anchor))
    assert believed.ca == CA
    assert believed.encryption_certificate == RAS[1]
    assert set(RAS) < set(believed.certificates)


def test_what_stands_above_is_not_believed() -> None:
    assert ROOT.certificate not in trusted(view(*GENUINE.certificates), pinned(CA)).certificates


def test_an_ra_slipped_in_receives_nothing() -> None:
    foreign = STRANGER.certificates[0]
    believed = trusted(view(foreign, *GENUINE.certificates), pinned(CA))
    assert foreign not in believed.certificates
    assert believed.encryption_certificate == RAS[1]
    assert trusted(view(foreign, CA), pinned(CA)).encryption_certificate == CA


def test_an_end_entity_vouches_for_nobody() -> None:
    csr = read_csr(build_csr(STRANGER.key, (("CN", "phone"),), challenge_password=None))
    phone = GENUINE.issue(csr, not_before=CLOCK.now(), not_after=CLOCK.now())
    posing = Authority(STRANGER.key, phone).issue(csr, not_before=CLOCK.now(), not_after=CLOCK.now())
    assert posing.signed_by(phone)
    assert posing not in trusted(view(posing, phone, CA), pinned(CA)).certificates


@pytest.mark.parametrize("shown", [STRANGER.certificates, GENUINE.certificates[:2]], ids=["stranger", "no CA"])
def test_another_ca_is_refused(shown: tuple[Certificate, ...]) -> None:
    with pytest.raises(UntrustedCa, match="another CA"):
        trusted(view(*shown), pinned(CA))


def test_the_fingerprint_of_an_ra_is_not_its_cas() -> None:
    with pytest.raises(UntrustedCa, match="of an RA"):
        trusted(view(*GENUINE.certificates), pinned(RAS[0]))


def test_a_file_that_names_an_ra_allows_no_other() -> None:
    another = Authority(GENUINE.key, CA).issue(
        read_csr(build_csr(STRANGER.key, (("CN", "RA"),), challenge_password=None)), not_before=CLOCK.now(), not_after=CLOCK.now()
    )
    shown = view(another, *GENUINE.certificates)
    assert another in trusted(shown, KnownCertificates([CA])).certificates
    assert another not in trusted(shown, KnownCertificates([CA, *RAS])).certificates


@pytest.mark.parametrize("text", ["", "AB", "0" * 32, "g" * 64, "é" * 40])
def test_what_is_no_fingerprint_is_misuse(text: str) -> None:
    with pytest.raises(Misuse, match="SHA-256"):
        read_fingerprint(text)


def test_a_chain_goes_up_as_far_as_there_are_certificates() -> None:
    shuffled = (ROOT.certificate, STRANGER.certificate, *GENUINE.certificates)
    assert chain_above(RAS[0], shuffled) == (CA, ROOT.certificate)
    assert chain_above(RAS[0], (CA,)) == (CA,)
    assert chain_above(RAS[0], STRANGER.certificates) == ()
