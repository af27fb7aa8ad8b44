"""Which exchanges gave a device a certificate, and which ask for one: what is only said again counts as neither.

A CA answers the same octets as before, so a client whose answer was lost gets the certificate that it was granted already.
Where nothing was granted yet, the same octets may be how a client polls (RFC 8894 section 4.4 has CertPoll for that).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hil.capture.exchange import REFUSED
from hil.scep.messages import MessageType, PkiMessage, PkiStatus

if TYPE_CHECKING:
    from hil.capture.exchange import Exchange
    from hil.judge.seen import Seen

ENROLMENT = (MessageType.PKCSReq, MessageType.RenewalReq)
_BEFORE_ASKING = ("GetCACaps", "GetCACert", "GetCACertChain")
"""What a client may have to know of a CA before it can ask; GetNextCACert is no part of it."""


class _Transactions:
    """The transactions of one boot: what was asked in each, and which have got their certificate."""

    def __init__(self) -> None:
        self._asked: dict[str, list[PkiMessage]] = defaultdict(list)
        self._granted: set[str] = set()

    def repeats(self, request: PkiMessage) -> bool:
        """Whether it asks, or polls, for what was granted already."""
        if request.transaction_id not in self._granted:
            return False
        return request.message_type is MessageType.CertPoll or request in self._asked[request.transaction_id]

    def take(self, request: PkiMessage, reply: PkiMessage | None) -> None:
        """A message that asks for something new, by the transactionID of before where that is made of the key."""
        if request.transaction_id is None:
            return
        self._granted.discard(request.transaction_id)
        self._asked[request.transaction_id].append(request)
        if granting(reply):
            self._granted.add(request.transaction_id)


def granting(reply: PkiMessage | None) -> bool:
    """Whether a reply grants what was asked for."""
    return reply is not None and reply.status is PkiStatus.SUCCESS


def without_repeats(seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """The exchanges in their order, without those that asked in the same boot for a certificate granted already."""
    kept: list[Seen] = []
    by_boot: dict[int, _Transactions] = defaultdict(_Transactions)
    for one in seen:
        request, transactions = one.exchange.request, by_boot[one.boot]
        if request is not None:
            if transactions.repeats(request):
                continue
            transactions.take(request, one.exchange.reply)
        kept.append(one)
    return tuple(kept)


def place_in_transaction(grants: Sequence[Seen], number: int) -> int:
    """Which certificate of its transaction a grant gave, from 0 on; the same octets in a later boot get the same one."""
    mine = grants[number].exchange.request
    before = (seen.exchange.request for seen in grants[: number + 1])
    distinct: list[PkiMessage | None] = []
    for request in before:
        if _transaction(request) == _transaction(mine) and request not in distinct:
            distinct.append(request)
    return distinct.index(mine)


def asks(exchange: Exchange) -> bool:
    """Whether a device asks for a certificate by it, or would have: had the CA let it connect, or answered what comes before."""
    if exchange.operation in _BEFORE_ASKING:
        return _failed(exchange)
    return exchange.operation in ("PKIOperation", REFUSED)


def _failed(exchange: Exchange) -> bool:
    """Whether it came to nothing; a CA that does not know GetCACaps says so, and is asked for a certificate all the same."""
    unanswered = exchange.reply_frame is None or (exchange.status or 200) >= 500
    return unanswered or (exchange.operation != "GetCACaps" and exchange.certificates is None)


def _transaction(request: PkiMessage | None) -> str:
    return (request.transaction_id if request else None) or ""
