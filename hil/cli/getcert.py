"""`hil getcert`: a certificate that a CA issued, by its serial number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from hil import asn1
from hil.cli import peer
from hil.cli.peer import AsJson, CaFile, CertificateFile, FingerprintText, Identifier, KeyFile, Timeout, TlsCa, Url, clock_of
from hil.cli.pem import certificate_facts, pem_of, read_holder
from hil.cli.progress import Steps
from hil.cli.saying import blank, said, told_refusal
from hil.errors import Misuse
from hil.reference.store import replace_private
from hil.scep.client import Client, Rejected


def getcert(
    context: typer.Context,
    url: Url,
    serial: Annotated[str, typer.Option(metavar="HEX", help="Serial number of the certificate wanted.")],
    certificate: CertificateFile,
    key: KeyFile,
    identifier: Identifier = peer.IDENTIFIER,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write the certificate as PEM.")] = None,
    fingerprint: FingerprintText = None,
    ca: CaFile = None,
    tls_ca: TlsCa = None,
    timeout: Timeout = peer.TIMEOUT,
    as_json: AsJson = False,
) -> None:
    """Show, and write, a certificate that the CA issued; the holder of another one of the CA asks.

    Exit status: 0 done, 1 rejected, 2 misuse, 4 no answer that can be used.
    """
    number = _read_serial(serial)
    server = peer.peer_of(url, identifier, fingerprint, ca, tls_ca, timeout)
    holder = read_holder(certificate, key)
    facts = blank(
        *("fail_info", "subject", "issuer", "serial", "not_before", "not_after", "key_bits", "sha256", "sha1"),
        *("ca_fingerprint", "ca_checked", "file", "notes"),
    )
    clock = clock_of(context)
    with said(facts, as_json), Steps(clock) as steps, server.transport() as transport:
        client = Client(transport, clock=clock)
        steps.step("asking what the CA offers")
        believed = server.discover(client)
        facts.update(server.check_facts(believed))
        steps.step("GetCert")
        found = client.get_cert(asn1.sequence(believed.ca.subject_der, asn1.integer(number)), holder, believed)
        if isinstance(found, Rejected):
            facts.update(told_refusal(found))
            return
        facts.update(certificate_facts(found))
        if out:
            replace_private({out: pem_of((found,))})
            facts["file"] = str(out)
        facts["outcome"] = "done"


def _read_serial(text: str) -> int:
    digits = text.replace(":", "").removeprefix("0x")
    if not re.fullmatch(r"[0-9A-Fa-f]{1,40}", digits):
        raise Misuse(f"{text!r} is no serial number", key="--serial", remedy="hexadecimal digits, at most 40")
    return int(digits, 16)
