"""What became of an offer, read from what a phone asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hil.evidence import EventName
from hil.firmware.watching import Result, Watch
from hil.identity import Firmware, Identity
from hil.services.events import Event

IMAGE = "FW_S_J179_R4_1_5_0_6.bin"
OLD, NEW = Firmware("4.1.3.0.6"), Firmware("4.1.5.0.6")
UPGRADE, SETTINGS, OWN = "J100Supgrade.txt", "46xxsettings.txt", "c81fea83e85a.txt"
START = datetime(2026, 1, 1, tzinfo=UTC)


def asks(
    file: str, release: Firmware = OLD, at: float = 0.0, model: str = "J179", device: str = "j179-1", **details: object
) -> Event:
    """A request for a file, that was answered whole unless it is said otherwise."""
    instant = START + timedelta(seconds=at)
    agent = f"Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/{model}-{release} (MAC:c81fea83e85a)"
    told = {"path": f"/{file}", "user_agent": agent, "sent": True, **details}
    return Event(instant, instant, EventName.FILE_SERVED, device, details=told)


def seen(*events: Event) -> Watch:
    watch = Watch("j179-1", Identity("J179", "c8:1f:ea:83:e8:5a", "19WZ1234567A"), {IMAGE})
    for event in events:
        watch.see(event)
    return watch


FETCHED = (asks(UPGRADE), asks(IMAGE))
WHOLE_BOOT = (asks(UPGRADE), asks(SETTINGS), asks(OWN))


@pytest.mark.parametrize(
    ("events", "result"),
    [
        ((), Result.UNSEEN),
        ((asks(UPGRADE, device="j139-1"),), Result.UNSEEN),
        ((asks(UPGRADE),), Result.NOT_BACK),
        ((asks(UPGRADE, user_agent="Phone"), asks(IMAGE, user_agent="Phone")), Result.NOT_BACK),
        (FETCHED, Result.NOT_BACK),
        ((asks(UPGRADE), asks(IMAGE, sent=False), asks(OWN)), Result.NOT_BACK),
        ((*FETCHED, asks(UPGRADE, NEW)), Result.NOT_UP),
        ((*FETCHED, asks(UPGRADE, NEW), asks(SETTINGS, NEW)), Result.NOT_UP),
        ((*FETCHED, asks(UPGRADE, NEW), asks(SETTINGS, NEW), asks(OWN, NEW)), Result.INSTALLED),
        ((*FETCHED, *WHOLE_BOOT), Result.OTHER),
        ((*FETCHED, asks(UPGRADE), asks(IMAGE)), Result.NOT_BACK),
        (WHOLE_BOOT, Result.NOT_TAKEN),
        ((asks(UPGRADE, NEW), asks(OWN, NEW)), Result.ALREADY),
        ((asks(UPGRADE, NEW), asks(OWN, OLD)), Result.NOT_BACK),
    ],
)
def test_the_requests_tell_what_became_of_it(events: tuple[Event, ...], result: Result) -> None:
    assert seen(*events).result(NEW) is result


def test_what_is_settled_needs_no_more_waiting() -> None:
    assert not seen(*FETCHED, asks(UPGRADE, NEW)).settled(NEW)
    assert seen(*FETCHED, asks(UPGRADE, NEW), asks(OWN, NEW)).settled(NEW)
    assert seen(*FETCHED, *WHOLE_BOOT).settled(NEW)
    assert not seen(*WHOLE_BOOT).settled(NEW), "an image may still be asked for"


def test_an_image_in_parts_is_fetched_with_its_last() -> None:
    cut = asks(IMAGE, sent=False)
    watch = seen(asks(UPGRADE), cut, asks(IMAGE, range="bytes 100-199/300"))
    assert watch.asked
    assert not watch.fetched
    assert watch.see(asks(IMAGE, range="bytes 200-299/300")) == f"{IMAGE} is fetched"
    assert watch.fetched


def test_the_first_release_is_kept_and_the_instant_of_the_return() -> None:
    watch = seen(*FETCHED, asks(UPGRADE, NEW, at=90.0), asks(UPGRADE, NEW, at=200.0))
    assert (watch.first, watch.now) == (OLD, NEW)
    assert watch.back == START + timedelta(seconds=90)


def test_a_phone_that_calls_itself_another_model_is_a_stranger() -> None:
    assert seen(asks(UPGRADE, model="J139")).stranger == "J139"
    assert seen(asks(UPGRADE)).stranger is None
