"""`hil decode`: what was said in a capture, or what one pkiMessage says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hil.asn1 import Malformed
from hil.capture.as_json import bare_message_json, exchange_json
from hil.capture.files import is_capture
from hil.capture.keylog import MAX_KEY_LOG, KeyLog, secrets_in
from hil.capture.keys import load_key
from hil.capture.transcript import read_capture
from hil.cli.saying import printable
from hil.errors import Misuse
from hil.scep.messages import read_message
from hil.scep.wrapping import unwrapped

REMEDY = "name a capture or a pkiMessage"
KEY_LOG_REMEDY = "name a file of the format of SSLKEYLOGFILE"
MAX_MESSAGE = 64 * 2**20

Entry = dict[str, Any]


class Means(NamedTuple):
    """What opens what is sealed: keys for envelopes, secrets for TLS."""

    keys: list[RSAPrivateKey]
    secrets: KeyLog


def decode(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="pcap, pcapng, or a pkiMessage as DER, PEM or base64.")],
    key: Annotated[
        list[Path] | None, typer.Option("--key", metavar="PEM|DER", help="Private key that opens envelopes; repeatable.")
    ] = None,
    keylog: Annotated[
        list[Path] | None, typer.Option("--keylog", metavar="FILE", help="Secrets of TLS, as SSLKEYLOGFILE has them; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Show challenge passwords.")] = False,
) -> None:
    """The SCEP exchanges of captures, each with its frames, times and the messages in it."""
    means = Means([load_key(path) for path in key or ()], _secrets(keylog or ()))
    exchanges: list[Entry] = []
    problems: list[str] = []
    notes: list[str] = []
    for file in files:
        read, defects, remarks = _read(file, means, show_secrets=show_secrets)
        several = len(files) > 1
        for entry in read:
            origin = {"file": str(file)} if several else {}
            exchanges.append({**entry, "index": len(exchanges) + 1, **origin})
        problems += [f"{file}: {defect}" if several else defect for defect in defects]
        notes += [f"{file}: {remark}" if several else remark for remark in remarks]
    if as_json:
        typer.echo(json.dumps({"exchanges": exchanges, "problems": problems, "notes": notes}, indent=2))
    else:
        _print(exchanges, problems, notes)


def _secrets(files: Iterable[Path]) -> KeyLog:
    """The secrets of TLS in all `files`; `Misuse` where one is missing or is no key log."""
    found: dict[bytes, Mapping[str, bytes]] = {}
    for file in files:
        try:
            with file.open("rb") as log:
                text = log.read(MAX_KEY_LOG + 1)
        except OSError as error:
            raise Misuse(f"cannot be read: {error.strerror}", file=file, remedy=KEY_LOG_REMEDY) from error
        if len(text) > MAX_KEY_LOG:
            raise Misuse(
                f"is longer than {MAX_KEY_LOG} octets", file=file, remedy="name the part that was written beside this capture"
            )
        told = secrets_in(text)
        if text and not told:
            raise Misuse("holds no secret of TLS", file=file, remedy=KEY_LOG_REMEDY)
        found |= told
    return found


def _read(file: Path, means: Means, *, show_secrets: bool) -> tuple[list[Entry], tuple[str, ...], tuple[str, ...]]:
    try:
        with file.open("rb") as stream:
            start = stream.read(4)
            if is_capture(start):
                transcript = read_capture(file, keys=means.keys, key_log=means.secrets)
                entries = [exchange_json(exchange, show_secrets=show_secrets) for exchange in transcript.exchanges]
                return entries, transcript.problems, transcript.notes
            data = start + stream.read(MAX_MESSAGE)
    except OSError as error:
        raise Misuse(f"cannot be read: {error.strerror}", file=file, remedy=REMEDY) from error
    try:
        message = read_message(unwrapped(data)[0], keys=means.keys)
    except Malformed as error:
        raise Misuse(f"neither a capture nor a pkiMessage: {error}", file=file, remedy=REMEDY) from error
    return [bare_message_json(1, message, show_secrets=show_secrets)], (), ()


def _print(exchanges: list[Entry], problems: list[str], notes: list[str]) -> None:
    console = Console(highlight=False)
    for entry in exchanges:
        console.print(_clean(_headline(entry)), style="bold")
        grid = Table.grid(padding=(0, 2))
        for name, value in _rows(entry):
            grid.add_row(Text("  " + name, style="red" if name == "problem" else "dim"), _clean(value))
        console.print(grid)
    for problem in problems:
        console.print(Text("problem: ", style="red") + _clean(problem))
    for note in notes:
        console.print(Text("note: ", style="dim") + _clean(note))
    if not exchanges:
        console.print("no SCEP exchanges")


def _clean(text: str) -> Text:
    return Text(printable(text))


def _headline(entry: Entry) -> str:
    request, reply = entry["frames"]["request"], entry["frames"]["reply"]
    parts = [f"#{entry['index']}", entry["operation"]]
    if request is not None:
        parts.append(f"frame {request} \N{RIGHTWARDS ARROW} {'no reply' if reply is None else reply}")
        parts.append(f"{entry['client']} \N{RIGHTWARDS ARROW} {entry['server']}")
    return "  ".join([*parts, *([entry["file"]] if "file" in entry else [])])


def _rows(entry: Entry) -> list[tuple[str, str]]:
    http, times = entry["http"], entry["times"]
    rows = []
    if http["method"] is not None:
        rows.append(("http", f"{http['method']} {http['path']}: {http['status']} {http['content_type'] or ''}".rstrip()))
        rows.append(("time", f"{times['request']} to {times['reply'] or '?'}"))
    rows += [("user agent", http["user_agent"])] if http["user_agent"] else []
    rows += [("CA identifier", entry["ca_identifier"])] if entry["ca_identifier"] is not None else []
    rows += [("capabilities", ", ".join(entry["capabilities"]) or "none")] if entry["capabilities"] is not None else []
    rows += [("certificate", _certificate(certificate)) for certificate in entry["certificates"] or ()]
    for side in ("request", "reply"):
        if entry[side] is not None:
            rows += [(side, line) for line in _message(entry[side])]
    rows += [("problem", problem) for problem in entry["problems"]]
    rows += [("note", note) for note in entry["notes"]]
    return rows


def _message(message: Entry) -> list[str]:
    kind = message["message_type"] or "message of unknown type"
    outcome = " ".join(filter(None, (message["status"], message["fail_info"])))
    verdict = "signature valid" if message["signature_valid"] else "signature NOT valid"
    opened = "opened" if message["decrypted"] else "not opened"
    sealed = f"{message['content_cipher']}, {opened}" if message["content_cipher"] else "no envelope"
    nonces = (("senderNonce", message["sender_nonce"]), ("recipientNonce", message["recipient_nonce"]))
    lines = [
        f"{kind} {outcome}".rstrip() + f", {message['digest']}, {verdict}; {sealed}",
        f"transactionID {message['transaction_id']}",
        ", ".join(f"{what} {nonce or 'none'}" for what, nonce in nonces),
    ]
    lines += [f"signer {_certificate(message['signer'])}"] if message["signer"] else []
    if csr := message["csr"]:
        lines.append(f"CSR {csr['subject']}, {csr['key_algorithm']} {csr['key_bits']}, {csr['signature_digest']}")
        lines.append(f"challengePassword {csr['challenge_password']}, extensions {', '.join(csr['extensions']) or 'none'}")
    return lines + [f"issued {_certificate(certificate)}" for certificate in message["issued"] or ()]


def _certificate(certificate: Entry) -> str:
    until = f"{certificate['not_before']} to {certificate['not_after']}"
    return f"{certificate['subject']} by {certificate['issuer']}, serial {certificate['serial']}, {until}"
