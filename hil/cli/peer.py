"""The SCEP server that a verb asks, and the options that say which one and whether to believe it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hil.cli.pem import read_certificates
from hil.clock import Clock, ScaledClock
from hil.errors import Misuse
from hil.scep.client import Client, ServerView
from hil.scep.http import Transport
from hil.scep.trust import Fingerprint, KnownCertificates, Pin, fingerprint, read_fingerprint, trusted
from hil.settings.rules import web_url

Url = Annotated[str, typer.Argument(metavar="URL", help="The SCEP server's URL, http or https, without a query.")]
Identifier = Annotated[str, typer.Option(help="CA identifier.")]
FingerprintText = Annotated[
    str | None,
    typer.Option("--fingerprint", metavar="HEX", help="The CA certificate's SHA-256, or SHA-1; colons may be left out."),
]
CaFile = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="PEM of the CA, and of its RA if only that one will do.")
]
TlsCa = Annotated[Path | None, typer.Option(metavar="FILE", help="PEM of who vouches for the https server, if not the system.")]
Timeout = Annotated[float, typer.Option(min=1, max=600, help="Seconds within which each answer must be here.")]
CertificateFile = Annotated[Path, typer.Option("--cert", metavar="PEM|DER", help="The certificate at hand.")]
KeyFile = Annotated[Path, typer.Option("--key", metavar="PEM|DER", help="Its private key.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

IDENTIFIER, TIMEOUT = "CAIdentifier", 30.0

NOBODY_CHECKED = "nobody has checked that this is the right CA: compare its fingerprint, then give it as --fingerprint"
WEAK = "SHA-1 was compared; prefer the SHA-256 fingerprint"


@dataclass(frozen=True)
class Peer:
    """A SCEP server, and what is known of its CA beforehand (None: nothing)."""

    url: str
    identifier: str
    pin: Pin | None
    tls: ssl.SSLContext | None
    timeout: float

    def transport(self) -> Transport:
        """A way to it, for one verb."""
        return Transport(self.url, timeout=self.timeout, tls=self.tls)

    def discover(self, client: Client) -> ServerView:
        """What the server shows, as far as it may be believed."""
        return self.believed(client.discover(self.identifier))

    def believed(self, shown: ServerView) -> ServerView:
        """What of this may be believed: all, where nothing is known of the CA; `UntrustedCa` where it is another CA."""
        return trusted(shown, self.pin) if self.pin else shown

    def check_facts(self, server: ServerView) -> Mapping[str, object]:
        """Which CA it is, and by what that was checked."""
        kind = self.pin.kind if self.pin else "nobody"
        notes = {"nobody": [NOBODY_CHECKED], "sha1": [WEAK]}.get(kind, [])
        return {"ca_fingerprint": fingerprint(server.ca), "ca_checked": kind, "notes": notes}


def peer_of(url: str, identifier: str, pinned: str | None, ca: Path | None, tls_ca: Path | None, timeout: float) -> Peer:
    """The server of these options; `Misuse` names the one that is wrong."""
    if not url or web_url(url):
        raise Misuse(f"{url!r} is no URL of a SCEP server", key="URL", remedy="for example http://ca.example/scep/pkiclient.exe")
    if "?" in url:
        raise Misuse(f"{url!r} has a query", key="URL", remedy="leave it out: each operation has its own")
    if pinned and ca:
        raise Misuse("two ways to know one CA", key="--fingerprint", remedy="give it or --ca, not both")
    return Peer(url, identifier, _pin(pinned, ca), _tls(url, tls_ca), timeout)


def clock_of(context: typer.Context) -> Clock:
    """The clock that the caller of the command handed in, else the machine's."""
    return context.obj or ScaledClock()


def _pin(pinned: str | None, ca: Path | None) -> Fingerprint | KnownCertificates | None:
    if pinned is not None:
        return read_fingerprint(pinned)
    return KnownCertificates(read_certificates(ca, "--ca")) if ca else None


def _tls(url: str, tls_ca: Path | None) -> ssl.SSLContext | None:
    if tls_ca is None:
        return None
    if not url.lower().startswith("https:"):
        raise Misuse("the URL is not https", key="--tls-ca", remedy="leave it out")
    try:
        return ssl.create_default_context(cafile=tls_ca)
    except OSError as error:
        raise Misuse(f"no certificate can be read ({error})", file=tls_ca, key="--tls-ca", remedy="a PEM file") from error
