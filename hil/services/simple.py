"""Requests that have come whole and say nothing that needs an HTTP library, as those of SCEP clients and of phones do."""

from __future__ import annotations

import re

from hil.services.web import AGENT_SHOWN, Call, Peer

LONGEST_SIMPLE = 16_384
"""Octets, with the head."""

_FIELDS = b"Accept|Accept-Encoding|Accept-Language|Cache-Control|Connection|Content-Length|Content-Type|Host|Pragma|User-Agent"
_HEAD = re.compile(rb"(GET|POST) (/[!-~]*) HTTP/1\.1\r\n((?:(?i:" + _FIELDS + rb"): [!-~][ -~]*\r\n)*)\r\n")
_LENGTH = re.compile(r"[0-9]{1,5}")


def read_simple(octets: bytes, peer: Peer) -> Call | None:
    """The one request that `octets` are from first to last; None where they are anything else, or of any doubt (RFC 9112).

    Not simple are header fields beyond those that every client sends, one that comes twice, and what
    HTTP/1.1 forbids or has only allowed once.
    """
    head = _HEAD.match(octets)
    if head is None:
        return None
    method, target, lines = (part.decode("ascii") for part in head.groups())
    fields: dict[str, str] = {}
    for line in lines.splitlines():
        name, _, value = line.partition(": ")
        fields[name.lower()] = value.rstrip()
    length = fields.get("content-length", "0")
    if len(fields) != lines.count("\r\n") or "host" not in fields or not _LENGTH.fullmatch(length):
        return None
    if head.end() + int(length) != len(octets):
        return None
    agent = fields.get("user-agent")
    body = octets[head.end() :]
    return Call(*peer, method, target, agent and agent[:AGENT_SHOWN], body, fields.get("content-type"), fields)
