"""`hil getca`: what a SCEP server offers, and the certificates of its CA and RA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from hil.cli import peer
from hil.cli.peer import AsJson, CaFile, FingerprintText, Identifier, Timeout, TlsCa, Url, clock_of
from hil.cli.pem import certificate_facts, pem_of
from hil.cli.progress import Steps
from hil.cli.saying import Facts, blank, said
from hil.errors import Misuse
from hil.reference.store import replace_private
from hil.scep.certificate import Certificate
from hil.scep.client import Client, ServerView

Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR|FILE", help="Where to write PEM: a file for each role in an existing folder, or one file."),
]

_FILES = {
    ("CA",): "ca.pem",
    ("CA above",): "above.pem",
    ("RA signs", "RA receives"): "ra.pem",
    ("RA signs",): "ra-signs.pem",
    ("RA receives",): "ra-receives.pem",
}
_OTHERS = "others.pem"


def getca(
    context: typer.Context,
    url: Url,
    identifier: Identifier = peer.IDENTIFIER,
    out: Out = None,
    fingerprint: FingerprintText = None,
    ca: CaFile = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = peer.TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show, and write, the certificates of a SCEP server's CA and RA, and its capabilities.

    Exit status: 0 done, 2 misuse, 4 no answer that can be used.
    """
    server = peer.peer_of(url, identifier, fingerprint, ca, tls_ca, timeout)
    facts = blank("capabilities", "certificates", "ca_fingerprint", "ca_checked", "files", "notes")
    clock = clock_of(context)
    with said(facts, as_json), Steps(clock) as steps, server.transport() as transport:
        steps.step("asking what the CA offers")
        shown = Client(transport, clock=clock).discover(identifier)
        believed = server.believed(shown)
        facts["capabilities"] = list(shown.capabilities)
        checked = server.pin is not None
        facts["certificates"] = [
            {**role_facts(shown, certificate), "trusted": certificate in believed.certificates if checked else None}
            for certificate in shown.certificates
        ]
        facts.update(server.check_facts(believed))
        facts["files"] = put(out, believed, checked=checked)
        facts["outcome"] = "done"


def role_facts(server: ServerView, certificate: Certificate) -> Facts:
    """A certificate's facts and what it is for."""
    return {"roles": list(server.roles(certificate)), **certificate_facts(certificate)}


def put(out: Path | None, server: ServerView, *, checked: bool) -> list[str]:
    """Write the server's certificates, and name the files; one that holds others is only replaced by what is `checked`."""
    if out is None:
        return []
    files = {file: pem_of(certificates) for file, certificates in _sorted(out, server).items()}
    for file, content in files.items():
        if not checked and file.exists() and file.read_bytes() != content:
            remedy = "check the CA by --fingerprint or --ca, or move the file away"
            raise Misuse("holds other certificates than those that nobody has checked", file=file, key="--out", remedy=remedy)
    replace_private(files)
    return list(map(str, files))


def _sorted(out: Path, server: ServerView) -> Mapping[Path, list[Certificate]]:
    """Which certificates go to which file."""
    files: dict[Path, list[Certificate]] = {}
    for certificate in server.certificates:
        file = out / _FILES.get(server.roles(certificate), _OTHERS) if out.is_dir() else out
        files.setdefault(file, []).append(certificate)
    return files
