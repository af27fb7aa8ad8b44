"""What a list of SCEP_USAGE means: which services it gives a profile's certificate, and what of that no document settles.

Sources: SCEP page of the J100 R4.1.x guide (a comma-separated list in any case; `All`, the default; `!` before a
service leaves one out, as in `All,!SIP`) and Avaya's settings template of July 2022 (names; blanks after commas).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.settings.rules import SERVICES, service_name

ALL: Final = "ALL"
EVERY_SERVICE: Final = SERVICES - {ALL}
SPELT_IN_TWO_WAYS: Final = frozenset({"8021X", "RINGCENTRAL"})
"""The template writes 8021X and RINGCENTRAL, the page 802.1x and Ring Central; which firmware reads is not established."""

PUBLIC_HOSTS: Final = {"RINGCENTRAL": "platform.ringcentral.com"}
"""Services of which no parameter has the address. That phones ask this host is inferred from the service's own API."""


class Decision(Enum):
    """A choice of ours where the documents are silent; its value says what holds here."""

    EXCLUSIONS_ALONE = "a list of nothing but exclusions, such as !SIP, means all services but those"
    EXCLUSION_ANYWHERE = "an exclusion holds wherever it stands in the list"
    SEVERAL_EXCLUSIONS = "more than one service can be left out"
    BOTH_SPELLINGS = "8021X is 802.1x, and RINGCENTRAL is Ring Central"
    UNKNOWN_SERVICE = "a list with a name that is none is ignored as a whole"


@dataclass(frozen=True)
class Usage:
    """The services that a list gives the certificate, and those of which no document says whether it does."""

    services: frozenset[str]
    unsettled: frozenset[str] = frozenset()

    def gives(self, service: str) -> bool:
        """Whether the documents say that `service` uses the certificate."""
        return service in self.services - self.unsettled

    def withholds(self, service: str) -> bool:
        """Whether the documents say that `service` does not use the certificate."""
        return service not in self.services | self.unsettled


NOT_READ: Final = Usage(EVERY_SERVICE, EVERY_SERVICE)
"""Of a list that is ignored: the default takes its place, and for no service do the documents say so."""


def read_usage(text: str) -> Usage:
    """What the list `text` means; it must be one of the catalog's (`rules.services`)."""
    items = [item.strip() for item in text.split(",")]
    wanted = [service_name(item) for item in items if not item.startswith("!")]
    left_out = [service_name(item) for item in items if item.startswith("!")]
    named = EVERY_SERVICE if ALL in wanted or not wanted else frozenset(wanted)
    services = named - frozenset(left_out)
    if not wanted or ALL in left_out:
        return Usage(services, EVERY_SERVICE)
    unsettled = frozenset(left_out) if len(set(left_out)) > 1 or ALL not in wanted else _before_all(items)
    return Usage(services, unsettled | frozenset({*wanted, *left_out}) & SPELT_IN_TWO_WAYS)


def _before_all(items: list[str]) -> frozenset[str]:
    """Services left out before the list has said that all are meant."""
    names = [service_name(item) for item in items]
    return frozenset(
        name for name, item in zip(names, items, strict=True) if item.startswith("!") and ALL not in names[: names.index(name)]
    )
