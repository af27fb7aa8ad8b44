"""`hil getcrl`: the revocation list of the CA that issued a certificate."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hil.cli import peer
from hil.cli.peer import AsJson, CaFile, CertificateFile, FingerprintText, Identifier, KeyFile, Timeout, TlsCa, Url, clock_of
from hil.cli.pem import crl_pem, read_holder
from hil.cli.progress import Steps
from hil.cli.saying import blank, said, told_refusal
from hil.reference.store import replace_private
from hil.scep.client import Client, Rejected

OVERDUE = "its nextUpdate has passed: the CA should have a newer one"


class Form(StrEnum):
    """How a CRL is written."""

    PEM = "pem"
    DER = "der"


def getcrl(
    context: typer.Context,
    url: Url,
    certificate: CertificateFile,
    key: KeyFile,
    identifier: Identifier = peer.IDENTIFIER,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the CRL.")] = None,
    form: Annotated[Form, typer.Option(help="How to write it.")] = Form.PEM,
    fingerprint: FingerprintText = None,
    ca: CaFile = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = peer.TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show, and write, the CRL of the CA that issued a certificate; its signature is checked.

    Exit status: 0 done, 1 rejected, 2 misuse, 4 no answer that can be used.
    """
    server = peer.peer_of(url, identifier, fingerprint, ca, tls_ca, timeout)
    holder = read_holder(certificate, key)
    facts = blank(
        *("fail_info", "issuer", "number", "this_update", "next_update", "revoked", "certificate_revoked"),
        *("ca_fingerprint", "ca_checked", "file", "notes"),
    )
    clock = clock_of(context)
    with said(facts, as_json), Steps(clock) as steps, server.transport() as transport:
        client = Client(transport, clock=clock)
        steps.step("asking what the CA offers")
        believed = server.discover(client)
        facts.update(server.check_facts(believed))
        steps.step("GetCRL")
        crl = client.get_crl(holder[0], holder, believed)
        if isinstance(crl, Rejected):
            facts.update(told_refusal(crl))
            return
        facts["issuer"] = crl.issuer
        facts["number"] = crl.number
        facts["this_update"] = crl.this_update.isoformat()
        facts["next_update"] = crl.next_update and crl.next_update.isoformat()
        facts["revoked"] = len(crl.revoked)
        facts["certificate_revoked"] = holder[0].serial in crl.revoked
        facts["notes"] += [OVERDUE] if crl.next_update and crl.next_update < clock.now() else []
        if out:
            replace_private({out: crl_pem(crl) if form is Form.PEM else crl.der})
            facts["file"] = str(out)
        facts["outcome"] = "done"
