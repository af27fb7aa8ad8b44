"""`hil renew`: the next certificate for the holder of one."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.cli import peer, request_options
from hil.cli.enroll import CERTIFICATE_FILE, CHAIN_FILE, KEY_FILE
from hil.cli.obtain import Place, no_facts, obtain
from hil.cli.peer import AsJson, CaFile, CertificateFile, FingerprintText, Identifier, KeyFile, Timeout, TlsCa, Url, clock_of
from hil.cli.pem import read_holder
from hil.cli.progress import Steps
from hil.cli.request_options import (
    ChallengeEnv,
    ChallengeFile,
    Cipher,
    Digest,
    NoWait,
    PollCount,
    PollFirst,
    PollLimit,
    PollLongest,
    Restart,
)
from hil.cli.saying import said
from hil.clock import Clock
from hil.errors import Misuse
from hil.reference.transactions import Request
from hil.scep.altnames import alternative_names
from hil.scep.certificate import Certificate
from hil.scep.client import Holder
from hil.scep.csr import build_csr
from hil.secret import Secret


def renew(
    context: typer.Context,
    url: Url,
    certificate: CertificateFile,
    key: KeyFile,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the new ones go; without it they replace the old ones.")
    ] = None,
    if_older_than: Annotated[
        float | None, typer.Option(min=0, max=100, metavar="PERCENT", help="Only once this part of the validity has passed.")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key/--same-key", help="Make a new key, or keep the old one.")] = True,
    key_length: Annotated[
        int | None, typer.Option(min=1024, max=8192, help="Bits of the new RSA key, if not those of the old one.")
    ] = None,
    challenge_env: ChallengeEnv = None,
    challenge_file: ChallengeFile = None,
    identifier: Identifier = peer.IDENTIFIER,
    cipher: Cipher = None,
    digest: Digest = None,
    fingerprint: FingerprintText = None,
    ca: CaFile = None,
    tls_ca: TlsCa = None,
    no_wait: NoWait = False,
    poll_first: PollFirst = request_options.PATIENCE.first,
    poll_longest: PollLongest = request_options.PATIENCE.longest,
    poll_limit: PollLimit = request_options.PATIENCE.limit,
    poll_count: PollCount = request_options.PATIENCE.polls,
    restart: Restart = False,
    timeout: Timeout = peer.TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Renew a certificate: its subject and alternative names, signed for with its key, without a challenge password.

    Exit status: 0 issued or not due, 1 rejected, 2 misuse, 3 pending, 4 no answer that can be used, 130 interrupted.
    """
    if key_length is not None and not new_key:
        raise Misuse("the old key has its length", key="--key-length", remedy="leave it out, or ask for --new-key")
    clock = clock_of(context)
    server = peer.peer_of(url, identifier, fingerprint, ca, tls_ca, timeout)
    how = request_options.manner(
        cipher,
        digest,
        first=poll_first,
        longest=poll_longest,
        limit=poll_limit,
        count=poll_count,
        no_wait=no_wait,
        restart=restart,
    )
    challenge = request_options.challenge_of(challenge_env, challenge_file)
    wish = _NextCertificate(certificate, key, out, new_key, key_length, if_older_than, challenge, clock)
    facts = no_facts()
    with said(facts, as_json), Steps(clock) as steps:
        obtain(wish, how, server, clock=clock, steps=steps, facts=facts)


class _NextCertificate:
    """A certificate that takes the place of one at hand."""

    def __init__(
        self,
        certificate: Path,
        key: Path,
        out: Path | None,
        new_key: bool,
        key_length: int | None,
        percent: float | None,
        challenge: Secret | None,
        clock: Clock,
    ) -> None:
        self.parameters = {"--new-key": str(new_key), "--key-length": str(key_length)}
        old = certificate.resolve()  # where it is a link, the link stays
        in_place = Place(key.resolve(), old, old.with_name(CHAIN_FILE))
        self.place = Place(out / KEY_FILE, out / CERTIFICATE_FILE, out / CHAIN_FILE) if out else in_place
        self.challenge = challenge
        self.renews = True
        self._files = (certificate, key)
        self._new_key, self._key_length = new_key, key_length
        self._percent = percent
        self._clock = clock

    @cached_property
    def _holder(self) -> Holder:
        return read_holder(*self._files)

    def not_due(self) -> str | None:
        """That the part of the validity asked for has not passed; a pair other than the one at hand is not overwritten."""
        certificate, _ = self._holder
        for file, old in zip((self.place.certificate, self.place.key), self._files, strict=True):
            if file.exists() and not file.samefile(old):
                raise Misuse("is there already", file=file, key="--out", remedy="name another folder, or move it away")
        passed = _percent_passed(certificate, self._clock)
        if self._percent is None or passed >= self._percent:
            return None
        return f"{passed:.1f} % of the validity have passed, which ends {certificate.not_after.isoformat()}"

    def request(self, digest: str) -> Request:
        """Signed with the certificate at hand (RFC 8894 section 3.3.1.1)."""
        certificate, key = self._holder
        if self._new_key:
            key = rsa.generate_private_key(65537, self._key_length or certificate.key_bits)
        csr = build_csr(
            key,
            certificate.subject_der,
            challenge_password=self.challenge,
            alternative_names=alternative_names(certificate),
            digest=digest,
        )
        return Request(csr, key, certificate)

    def signer_key(self, request: Request) -> RSAPrivateKey:
        """The key of the certificate at hand."""
        certificate, key = self._holder
        if certificate.der != request.signer.der:
            problem = "is not the certificate that the request which waits was signed with"
            raise Misuse(problem, file=self._files[0], key="--cert", remedy="name that one, or discard the request by --restart")
        return key


def _percent_passed(certificate: Certificate, clock: Clock) -> float:
    """How much of a certificate's validity has passed, in percent; 100 where it has none."""
    whole = certificate.not_after - certificate.not_before
    return 100 * ((clock.now() - certificate.not_before) / whole) if whole else 100.0
