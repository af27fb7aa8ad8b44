"""What follows a request that was not granted, read from exchanges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from hil.judge.ungranted import UngrantedFacts
from hil.judge.verdict import NotObserved
from hil.scep.messages import MessageType, PkiStatus

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUEST, POLL = MessageType.PKCSReq, MessageType.CertPoll


def seen(minutes: float, kind: MessageType | None, *, boot: int = 2, transaction: str = "1", status: Any = None) -> Any:
    request = None if kind is None else SimpleNamespace(message_type=kind, transaction_id=transaction)
    reply = None if status is None else SimpleNamespace(status=status)
    exchange = SimpleNamespace(request=request, reply=reply)
    return SimpleNamespace(time=START + timedelta(minutes=minutes), boot=boot, exchange=exchange, where=None)


def facts(*exchanges: Any) -> UngrantedFacts:
    return UngrantedFacts("j179-1", exchanges)


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ([], "never"),
        ([seen(10, REQUEST)], "in the same boot"),
        ([seen(900, None, boot=3), seen(900, REQUEST, boot=3)], "after a restart"),
    ],
)
def test_when_it_is_asked_again(later: list[Any], told: str) -> None:
    assert facts(seen(0, REQUEST, status=PkiStatus.FAILURE), *later).asked_again == told


def test_how_long_until_it_is_asked_again() -> None:
    assert facts(seen(0, REQUEST), seen(10, REQUEST)).minutes_until_asked_again == 10.0
    with pytest.raises(NotObserved, match="no second time"):
        facts(seen(0, REQUEST), seen(10, REQUEST, boot=3)).minutes_until_asked_again  # noqa: B018


def test_polls_and_their_pace() -> None:
    pending = facts(seen(0, None), seen(1, REQUEST, status=PkiStatus.PENDING), seen(2, POLL), seen(3, POLL), seen(9, POLL))
    assert pending.polls == 3
    assert pending.poll_minutes == 1.0
    with pytest.raises(NotObserved, match="never asked"):
        facts(seen(0, REQUEST)).poll_minutes  # noqa: B018


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ([], "nothing"),
        ([seen(900, None, boot=3), seen(901, POLL, boot=3)], "polls the same transaction"),
        ([seen(901, POLL, boot=3, transaction="2")], "asks anew"),
        ([seen(901, REQUEST, boot=3, transaction="2")], "asks anew"),
    ],
)
def test_what_becomes_of_a_pending_request_over_a_restart(later: list[Any], told: str) -> None:
    assert facts(seen(0, REQUEST, status=PkiStatus.PENDING), *later).after_restart == told


def test_what_was_never_asked_or_never_pending_is_not_observed() -> None:
    with pytest.raises(NotObserved, match="asked for no certificate"):
        facts(seen(0, None)).asked_again  # noqa: B018
    with pytest.raises(NotObserved, match="left pending"):
        facts(seen(0, REQUEST)).after_restart  # noqa: B018
