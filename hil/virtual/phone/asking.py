"""How the phone asks SCEP servers: in the clear, or over TLS where TRUSTCERTS vouches for the server."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from hil.virtual.phone import services, web
from hil.virtual.phone.clock import Clock
from hil.virtual.phone.flash import Flash
from hil.virtual.phone.habits import Habits
from hil.virtual.phone.parameters import Settings

if TYPE_CHECKING:
    from hil.virtual.phone.dialler import Dialler


@dataclass
class Asking:
    """The requests of one boot; `trusted` fetches the certificates of TRUSTCERTS, once they are needed."""

    settings: Settings
    habits: Habits
    flash: Flash
    clock: Clock
    trusted: Callable[[], str]

    def __call__(self, url: str, agent: str, body: bytes | None, fields: Mapping[str, str] = web.NO_FIELDS) -> web.Answer:
        """The answer to a GET of `url`, or to `body` posted there. Raises NoAnswer or Refused where there is none."""
        asked = url if self.habits.speaks_https else re.sub("^https:", "http:", url)
        return web.exchange(asked, agent, body, fields=fields, secured=self._connect)

    def _connect(self, host: str, port: int) -> socket.socket:
        return self._dialler.connect(services.Service(services.SCEP, host, port))

    @cached_property
    def _dialler(self) -> Dialler:
        # Importing TLS takes longer than asking DHCP for an address, and most boots need none.
        from hil.virtual.phone.dialler import Dialler

        return Dialler(self.settings, self.habits, self.flash, self.clock, self.trusted())
