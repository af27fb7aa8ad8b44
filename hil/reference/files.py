"""How the reference phone reads its settings files: HTTP from one directory, with the documented User-Agent."""

from __future__ import annotations

import httpx

from hil.errors import LabFault
from hil.identity import Firmware, Identity
from hil.scep.http import TRUSTS_NOBODY
from hil.settings.language import MAX_FILE

_PATIENCE = 10.0


def user_agent(identity: Identity, firmware: Firmware) -> str:
    """User-Agent of a J100 that fetches files, as seen on public provisioning servers; the MAC in lower case."""
    return f"Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/{identity.model4}-{firmware} (MAC:{identity.mac_digits})"


class FileClient:
    """Gets files by name from under `base_url`, from `local_address` where one is given."""

    def __init__(self, base_url: str, agent: str, *, local_address: str | None = None) -> None:
        transport = httpx.HTTPTransport(verify=TRUSTS_NOBODY, local_address=local_address)
        headers = {"User-Agent": agent, "Connection": "close"}
        self._base_url = base_url.rstrip("/") + "/"
        self._client = httpx.Client(transport=transport, headers=headers, timeout=_PATIENCE, trust_env=False)

    def __enter__(self) -> FileClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def fetch(self, name: str) -> bytes | None:
        """The file's bytes, None where the server does not give it; raises LabFault where there is no answer."""
        url = self._base_url + name.removeprefix("/")
        try:
            with self._client.stream("GET", url) as response:
                if response.status_code != httpx.codes.OK:
                    return None
                return _bounded(response)
        except httpx.TransportError as error:
            raise LabFault(
                "the file server does not answer", tried=f"GET {url}", seen=f"{type(error).__name__}: {error}"
            ) from error


def _bounded(response: httpx.Response) -> bytes:
    """The body, as far as a phone would read one."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > MAX_FILE:
            break
    return bytes(body)
