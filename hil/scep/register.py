"""What a CA remembers of its certificates: which it issued, which it revoked (RFC 5280 section 5)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from hil.scep.authority import Authority
from hil.scep.certificate import Certificate
from hil.scep.crl import Crl, write_crl

MOST_ISSUED = 10_000
_CRL_LIFETIME = timedelta(days=7)


class Register:
    """The certificates issued, the oldest forgotten beyond `MOST_ISSUED`, and those revoked; safe among threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._issued: OrderedDict[bytes, Certificate] = OrderedDict()
        self._revoked: dict[bytes, tuple[Certificate, datetime]] = {}
        self._crl_number = 0

    def add(self, certificate: Certificate) -> None:
        """Remember a certificate just issued."""
        with self._lock:
            self._issued[certificate.issuer_and_serial] = certificate
            if len(self._issued) > MOST_ISSUED:
                self._issued.popitem(last=False)

    def find(self, issuer_and_serial: bytes) -> Certificate | None:
        """The certificate issued whose IssuerAndSerialNumber has these octets."""
        with self._lock:
            return self._issued.get(issuer_and_serial)

    def revoke(self, certificate: Certificate, at: datetime) -> None:
        """Put the certificate on its issuer's CRL; the first revocation stands."""
        with self._lock:
            self._revoked.setdefault(certificate.issuer_and_serial, (certificate, at))

    def is_revoked(self, certificate: Certificate) -> bool:
        """Whether the certificate is on its issuer's CRL."""
        with self._lock:
            return certificate.issuer_and_serial in self._revoked

    def crl(self, authority: Authority, at: datetime) -> Crl:
        """A fresh CRL of the authority, signed by it, valid for a week."""
        issuer = authority.certificate
        with self._lock:
            self._crl_number += 1
            number = self._crl_number
            revoked = {c.serial: when for c, when in self._revoked.values() if c.issuer_der == issuer.subject_der}
        return write_crl(issuer, authority.key, revoked, number=number, this_update=at, next_update=at + _CRL_LIFETIME)
