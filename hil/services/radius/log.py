"""What hostapd's log tells of the EAP conversations that it has as a RADIUS server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from hil.services.radius.eap import EapTlsPeer

_LINES = re.compile(
    r"RADIUS SRV: (?:"
    r"Received \d+ bytes from (?P<client>[\d.]+:\d+)"
    r"|Calling-Station-Id: (?P<mac>[0-9a-f:]{17})"
    r"|New session (?P<new>0x[0-9a-f]+) initialized"
    r"|Request for session (?P<again>0x[0-9a-f]+)"
    r"|Received EAP data - hexdump\(len=\d+\):(?P<packet>(?: [0-9a-f]{2})*)"
    r"|\[(?P<identified>0x[0-9a-f]+) [\d.]+\] EAP: EAP-Response/Identity '(?P<identity>.*)'"
    r"|\[(?P<over>0x[0-9a-f]+) [\d.]+\] EAP authentication (?P<outcome>succeeded|failed)"
    r"|Timing out authentication session (?P<silent>0x[0-9a-f]+)"
    r"|(?P<refused>Unknown client [\d.]+|Invalid (?:Message-)?Authenticator from [\d.]+)"
    r")"
    r"|authsrv: (?P<side>local|remote) TLS alert: (?P<alert>.+)"
    r"|authsrv: certificate chain failure: .* err='(?P<problem>[^']*)'"
)
_SILENT = "took too long"


@dataclass
class Conversation:
    """One attempt of a station to get through a port, as far as it came.

    `client` is the switch that asked, address and port; `mac` the station's, lower case with colons.
    `failure` is None where it was let through.
    """

    client: str
    mac: str
    peer: EapTlsPeer = field(default_factory=EapTlsPeer)
    identity: str | None = None
    alert: str | None = None
    failure: str | None = None


class ServerLog:
    """Reads the log, with message dumps (`-dd`), line by line; hostapd does one thing after another.

    Each conversation goes to `over` once it is, and the reason why a packet was not taken to `refused`.
    """

    def __init__(self, over: Callable[[Conversation], None], refused: Callable[[str], None]) -> None:
        self._over = over
        self._refused = refused
        self._open: dict[str, Conversation] = {}
        self._client = ""
        self._mac = ""
        self._current: Conversation | None = None

    def take(self, line: str) -> None:
        """The next line."""
        found = _LINES.search(line)
        if found is None:
            return
        match found.lastgroup:
            case "client":
                self._client, self._mac, self._current = found["client"], "", None
            case "mac":
                self._mac = found["mac"]
            case "new":
                self._current = self._open[found["new"]] = Conversation(self._client, self._mac)
            case "again":
                self._current = self._open.get(found["again"])
            case "outcome":
                self._end(found["over"], None if found["outcome"] == "succeeded" else "not let through")
            case "silent":
                self._end(found["silent"], _SILENT)
            case "refused":
                self._refused(found["refused"])
            case _:
                self._note(found)

    def _note(self, found: re.Match[str]) -> None:
        """What belongs to the conversation at hand."""
        current = self._current
        if current is None:
            return
        if found["packet"]:
            current.peer.take(bytes.fromhex(found["packet"]))
        elif found["identity"] is not None:
            current.identity = found["identity"]
        elif found["alert"]:
            current.alert = f"{'bench' if found['side'] == 'local' else 'client'}: {found['alert'].strip().lower()}"
        elif found["problem"]:
            current.failure = found["problem"]

    def _end(self, session: str, failure: str | None) -> None:
        conversation = self._open.pop(session, None)
        if conversation is not None:
            conversation.failure = failure and (conversation.failure or conversation.alert or failure)
            self._over(conversation)
