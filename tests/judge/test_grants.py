"""What counts as a grant and as an attempt: what is only said again is neither, whatever time a device is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from made_evidence import NAME, phone, reference

from hil.campaign.plan import PlannedBoot
from hil.capture.transcript import TimeReply, Transcript
from hil.judge.ca_log import Issued
from hil.judge.observation import Observation
from hil.judge.renewals import Validity
from hil.judge.seen import Seen
from hil.judge.sitting import Sitting
from hil.scenario import Issue, PassTime, Restart, Scenario, TellTime
from hil.scep.messages import MessageType, PkiStatus

Make = Callable[..., Sitting]
START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SUCCESS, PENDING, FAILURE = PkiStatus.SUCCESS, PkiStatus.PENDING, PkiStatus.FAILURE


def message(number: int, transaction: str = "A", kind: MessageType = MessageType.PKCSReq) -> Any:
    """A message that is the same, octet for octet, where the number is."""
    return SimpleNamespace(number=number, transaction_id=transaction, message_type=kind, csr=None)


def seen(days: float, request: Any, status: PkiStatus | None = None, boot: int = 1, operation: str = "PKIOperation") -> Seen:
    reply: Any = SimpleNamespace(status=status) if status is not None else None
    exchange: Any = SimpleNamespace(
        operation=operation,
        request=request,
        reply=reply,
        reply_frame=9,
        status=200,
        certificates=("the CA's",),
        ca_identifier="CA",
    )
    return Seen(exchange, boot, f"boot-{boot}.pcapng", START + days * DAY, 86_400.0 * days, 0.0, 0.0)


def observed(*exchanges: Seen, transactions: Sequence[str] = ("A",)) -> Observation:
    years = [Issued(f"{number}", Validity(START + number * DAY, START + (365 + number) * DAY)) for number in range(5)]
    return Observation(NAME, 1, exchanges, issued=lambda: dict.fromkeys(transactions, years))


A_WHILE = 20 / 86_400


def test_the_same_octets_after_the_grant_ask_for_nothing() -> None:
    device = observed(seen(0, message(1), SUCCESS), seen(A_WHILE, message(1), SUCCESS), seen(328.5, message(2), SUCCESS))
    assert device.enrolled_boots == (1, 1)
    assert device.renewal.attempts_before_success == 0
    assert device.renewal.validity_passed == 0.9
    assert not observed(*device.seen[:2]).renewal.attempts
    assert not observed(*device.seen[:2]).renewal.renewed
    assert observed(*device.seen[:2]).enrolled_boots == (1,)


def test_the_same_octets_before_the_grant_poll_for_it() -> None:
    polls = [seen(0, message(1), PENDING), seen(1, message(1), PENDING), seen(2, message(1), SUCCESS)]
    device = observed(*polls, seen(3, message(1), SUCCESS))
    assert device.granted == (polls[2],)
    assert not device.renewal.attempts


def test_a_poll_for_what_was_granted_asks_for_nothing() -> None:
    poll, again = (message(number, kind=MessageType.CertPoll) for number in (2, 3))
    device = observed(seen(0, message(1), PENDING), seen(0.1, poll, SUCCESS), seen(0.2, again, SUCCESS))
    assert device.granted == (device.seen[1],)
    assert not device.renewal.attempts


def test_another_message_of_the_same_transaction_is_a_renewal_for_the_same_key() -> None:
    renewal = message(2, kind=MessageType.RenewalReq)
    device = observed(
        seen(0, message(1), SUCCESS), seen(328.5, renewal, SUCCESS), seen(329, renewal, SUCCESS), seen(800, message(3))
    )
    assert device.granted == device.seen[:2]
    assert device.renewal.attempts_after_success == 1
    assert device.next_renewal.validity.not_before == START + DAY


def test_the_same_octets_that_were_refused_are_another_attempt() -> None:
    refused = [seen(329 + day, message(2, "B"), FAILURE) for day in range(3)]
    assert observed(seen(0, message(1), SUCCESS), *refused).renewal.intervals == (24.0, 24.0)


def test_the_same_octets_in_another_boot_enrol_again_and_get_the_same() -> None:
    device = observed(seen(0, message(1), SUCCESS), seen(1, message(1), SUCCESS, boot=2))
    assert device.enrolled_boots == (1, 2)
    assert device.next_renewal.validity.not_before == START


def test_without_a_look_at_the_ca_s_certificate_a_renewal_is_judged_all_the_same() -> None:
    device = observed(seen(0, message(1), SUCCESS), seen(328.5, message(2, "B"), SUCCESS))
    assert device.renewal.renewed
    assert device.renewal.same_ca_identifier


def told_again(days: float) -> Callable[[PlannedBoot, Transcript], Transcript]:
    """SNTP tells another time after the restart."""

    def tell(boot: PlannedBoot, transcript: Transcript) -> Transcript:
        told = [replace(reply, transmit=reply.transmit + days * DAY) for reply in transcript.time_replies]
        return replace(transcript, time_replies=tuple(told)) if boot.kind == "restart" else transcript

    return tell


MONTH_BEHIND = Scenario(slot=1, ca=(Issue(), Issue()), steps=(TellTime(-30 * 86_400.0), Restart(), PassTime(14_400.0)))


def test_what_follows_the_grant_follows_it_whatever_time_is_told(sitting: Make) -> None:
    forgetful = phone(keeps=False)
    device = sitting(MONTH_BEHIND, phone_=forgetful, transcribed=told_again(-30)).of(NAME, 1)
    assert device.seen[-1].time < device.granted[0].time
    assert len(device.renewal.attempts) == 1
    assert device.renewal.renewed


def test_one_that_waits_has_no_attempt(sitting: Make) -> None:
    assert not sitting(MONTH_BEHIND, transcribed=told_again(-30)).of(NAME, 1).renewal.attempts


def test_a_time_that_is_told_changes_no_span_from_power_on(sitting: Make) -> None:
    made = sitting(MONTH_BEHIND, reference_=reference(), transcribed=told_again(-30))
    assert {fetched.since_power_on for fetched in made.of(NAME, 1).provisioning.fetched} == {20.0}


def test_what_the_time_server_told_somebody_else_is_not_the_phone_s_time(sitting: Make) -> None:
    def neighbour(_: PlannedBoot, transcript: Transcript) -> Transcript:
        [own] = transcript.time_replies
        other = TimeReply(own.frame + 1, own.time, "192.0.2.150", own.transmit + DAY)
        return replace(transcript, time_replies=(own, other))

    aside, alone = sitting(Scenario(slot=1), transcribed=neighbour), sitting(Scenario(slot=1))
    assert [one.time for one in aside.of(NAME, 1).seen] == [one.time for one in alone.of(NAME, 1).seen]
