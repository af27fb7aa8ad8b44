"""The certificates that a bench's CA issued, by its log: a capture does not show them, for they are sealed for the client."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hil.evidence import EventName
from hil.judge.grants import place_in_transaction
from hil.judge.renewals import Validity
from hil.judge.seen import Seen


class Issued(NamedTuple):
    """A certificate that the CA issued: its serial number in hex, and its validity."""

    serial: str
    validity: Validity


def issued(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Sequence[Issued]]:
    """What event logs tell of certificates, by the transactionID of their request, in their order."""
    found: dict[str, list[Issued]] = defaultdict(list)
    for event in events:
        told = event["details"]
        if event["name"] == EventName.SCEP_ANSWER and told.get("not_before"):
            began, ends = (datetime.fromisoformat(told[name]) for name in ("not_before", "not_after"))
            found[str(told["transaction_id"])].append(Issued(str(told["serial"]), Validity(began, ends)))
    return found


def issue_of(granted: Sequence[Seen], number: int, log: Mapping[str, Sequence[Issued]]) -> Issued | None:
    """The certificate that one of a device's grants gave, None where it is not in the log."""
    request = granted[number].exchange.request
    of_transaction = log.get((request.transaction_id if request else None) or "", ())
    place = place_in_transaction(granted, number)
    return of_transaction[place] if place < len(of_transaction) else None
