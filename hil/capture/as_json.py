"""Transcripts as JSON: the schema of `hil decode --json`, for programs to rely on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hil.capture.exchange import Exchange
from hil.scep.certificate import Certificate
from hil.scep.csr import Csr
from hil.scep.messages import PkiMessage

JsonObject = dict[str, Any]


def exchange_json(exchange: Exchange, *, show_secrets: bool = False) -> JsonObject:
    """One exchange of a capture."""
    return {
        "index": exchange.index,
        "frames": {"request": exchange.request_frame, "reply": exchange.reply_frame},
        "times": {"request": time_text(exchange.request_time), "reply": time_text(exchange.reply_time)},
        "client": exchange.client,
        "server": exchange.server,
        "operation": exchange.operation,
        "http": {
            "method": exchange.method,
            "path": exchange.path,
            "status": exchange.status,
            "user_agent": exchange.user_agent,
            "content_type": exchange.content_type,
        },
        "ca_identifier": exchange.ca_identifier,
        "capabilities": None if exchange.capabilities is None else list(exchange.capabilities),
        "certificates": None if exchange.certificates is None else _certificates(exchange.certificates),
        "request": message_json(exchange.request, show_secrets=show_secrets),
        "reply": message_json(exchange.reply, show_secrets=show_secrets),
        "problems": list(exchange.problems),
        "notes": list(exchange.notes),
    }


def bare_message_json(index: int, message: PkiMessage, *, show_secrets: bool = False) -> JsonObject:
    """A pkiMessage without the HTTP that carried it: what only a capture tells is null."""
    read = message_json(message, show_secrets=show_secrets)
    is_reply = read is not None and read["message_type"] == "CertRep"
    return {
        "index": index,
        "frames": {"request": None, "reply": None},
        "times": {"request": None, "reply": None},
        "client": None,
        "server": None,
        "operation": "PKIOperation",
        "http": {"method": None, "path": None, "status": None, "user_agent": None, "content_type": None},
        "ca_identifier": None,
        "capabilities": None,
        "certificates": None,
        "request": None if is_reply else read,
        "reply": read if is_reply else None,
        "problems": list(message.problems),
        "notes": list(message.notes),
    }


def message_json(message: PkiMessage | None, *, show_secrets: bool = False) -> JsonObject | None:
    """A pkiMessage; nonces in hex, `issued` null unless the envelope of a CertRep was opened."""
    if message is None:
        return None
    return {
        "message_type": None if message.message_type is None else message.message_type.name,
        "transaction_id": message.transaction_id,
        "sender_nonce": None if message.sender_nonce is None else message.sender_nonce.hex(),
        "recipient_nonce": None if message.recipient_nonce is None else message.recipient_nonce.hex(),
        "status": None if message.status is None else message.status.name,
        "fail_info": None if message.fail_info is None else message.fail_info.name,
        "digest": message.digest,
        "signature_valid": message.signature_valid,
        "signer": None if message.signer is None else certificate_json(message.signer),
        "content_cipher": message.content_cipher,
        "decrypted": message.decrypted,
        "csr": None if message.csr is None else csr_json(message.csr, show_secrets=show_secrets),
        "issued": _certificates(message.issued) if message.status is not None and message.decrypted else None,
    }


def csr_json(csr: Csr, *, show_secrets: bool = False) -> JsonObject:
    """A certificate request; the challenge password itself only with `show_secrets`."""
    secret = csr.challenge_password
    shown = "absent" if secret is None else secret.reveal() if show_secrets else "present"
    return {
        "subject": csr.subject,
        "key_algorithm": csr.key_algorithm,
        "key_bits": csr.key_bits,
        "signature_digest": csr.signature_digest,
        "challenge_password": shown,
        "extensions": list(csr.extensions),
        "signature_valid": csr.signature_valid,
    }


def certificate_json(certificate: Certificate) -> JsonObject:
    """A certificate; the serial number in hex without prefix."""
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": f"{certificate.serial:x}",
        "not_before": time_text(certificate.not_before),
        "not_after": time_text(certificate.not_after),
        "key_bits": certificate.key_bits,
        "self_signed": certificate.self_signed,
    }


def time_text(time: datetime | None) -> str | None:
    """ISO 8601 in UTC with `Z`."""
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _certificates(certificates: Sequence[Certificate]) -> list[JsonObject]:
    return [certificate_json(certificate) for certificate in certificates]
