"""`hil enroll`: the reference's SCEP client on its own, against any SCEP server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hil.cli import peer, request_options
from hil.cli.obtain import Place, no_facts, obtain
from hil.cli.peer import AsJson, CaFile, FingerprintText, Identifier, Timeout, TlsCa, Url, clock_of
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
from hil.scep.altnames import general_names
from hil.scep.authority import self_signed
from hil.scep.csr import build_csr, read_csr
from hil.secret import Secret
from hil.settings.rules import NotADn, read_dn

KEY_FILE, CERTIFICATE_FILE, CHAIN_FILE = "client.key", "client.pem", "chain.pem"


def enroll(
    context: typer.Context,
    url: Url,
    cn: Annotated[str, typer.Option("--cn", help="Common name; stands last in the subject.")],
    dn: Annotated[str, typer.Option(help="The rest of the subject, for example /C=US/O=Company.")] = "",
    san: Annotated[
        list[str] | None, typer.Option("--san", metavar="KIND:VALUE", help="dns:, ip:, email: or uri: name; repeatable.")
    ] = None,
    key_length: Annotated[int, typer.Option(min=1024, max=8192, help="Bits of the new RSA key.")] = 2048,
    challenge_env: ChallengeEnv = None,
    challenge_file: ChallengeFile = None,
    identifier: Identifier = peer.IDENTIFIER,
    cipher: Cipher = None,
    digest: Digest = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where key and certificates go, in files of mode 600.")] = Path(),
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
    """Enrol with a SCEP server; the same command again goes on with what an interruption left.

    Exit status: 0 issued, 1 rejected, 2 misuse, 3 pending, 4 no answer that can be used, 130 interrupted.
    """
    if not cn.strip():
        raise Misuse("is empty", key="--cn", remedy="the name that the certificate shall have")
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
    wish = _NewCertificate(cn, dn, tuple(san or ()), key_length, challenge, out, clock)
    facts = no_facts()
    with said(facts, as_json), Steps(clock) as steps:
        obtain(wish, how, server, clock=clock, steps=steps, facts=facts)


class _NewCertificate:
    """A certificate for a new key and a subject."""

    def __init__(
        self, cn: str, dn: str, san: Sequence[str], key_length: int, challenge: Secret | None, out: Path, clock: Clock
    ) -> None:
        self.parameters = {"--cn": cn, "--dn": dn, "--san": " ".join(san), "--key-length": str(key_length)}
        self.place = Place(out / KEY_FILE, out / CERTIFICATE_FILE, out / CHAIN_FILE)
        self.challenge = challenge
        self.renews = False
        self._subject = (*_read_dn(dn), ("CN", cn))
        self._alternative_names = general_names(san)
        self._key_length = key_length
        self._clock = clock

    def not_due(self) -> None:
        """To ask is always due; a key that is there already is not overwritten."""
        for file in (self.place.key, self.place.certificate, self.place.chain):
            if file.exists():
                raise Misuse("is there already", file=file, key="--out", remedy="name another folder, or move it away")

    def request(self, digest: str) -> Request:
        """Signed with a self-signed certificate (RFC 8894 section 2.3)."""
        key = rsa.generate_private_key(65537, self._key_length)
        csr = build_csr(
            key,
            self._subject,
            challenge_password=self.challenge,
            alternative_names=self._alternative_names,
            digest=digest,
        )
        signer = self_signed(read_csr(csr).subject_der, key, self._clock.now(), digest=digest)
        return Request(csr, key, signer)

    def signer_key(self, request: Request) -> RSAPrivateKey:
        """The key that the certificate is for."""
        return request.key


def _read_dn(dn: str) -> tuple[tuple[str, str], ...]:
    try:
        return read_dn(dn)
    except NotADn as error:
        raise Misuse(str(error), key="--dn", remedy="for example /C=US/O=Company") from error
