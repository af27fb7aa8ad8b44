"""`hil nextca`: the certificates of the CA to come, vouched for by the current one."""

from __future__ import annotations

import typer

from hil.cli import peer
from hil.cli.getca import Out, put, role_facts
from hil.cli.peer import AsJson, CaFile, FingerprintText, Identifier, Timeout, TlsCa, Url, clock_of
from hil.cli.progress import Steps
from hil.cli.saying import blank, said
from hil.scep.client import Client, ServerView


def nextca(
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
    """Show, and write, the certificates that a CA will have after its rollover (RFC 8894 section 4.7).

    They are believed only if the current CA signed them. Exit status: 0 done, 2 misuse, 4 no answer that can be used.
    """
    server = peer.peer_of(url, identifier, fingerprint, ca, tls_ca, timeout)
    facts = blank("certificates", "ca_fingerprint", "ca_checked", "files", "notes")
    clock = clock_of(context)
    with said(facts, as_json), Steps(clock) as steps, server.transport() as transport:
        client = Client(transport, clock=clock)
        steps.step("asking what the CA offers")
        current = server.discover(client)
        facts.update(server.check_facts(current))
        steps.step("asking for the CA to come")
        to_come = ServerView((), client.next_ca(current, identifier))
        facts["certificates"] = [role_facts(to_come, certificate) for certificate in to_come.certificates]
        facts["files"] = put(out, to_come, checked=server.pin is not None)
        facts["outcome"] = "done"
