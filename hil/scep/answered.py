"""Answers kept for requests that come again octet for octet, as a client's or a network's retry sends them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

_Answer = TypeVar("_Answer")

MOST_ANSWERS = 256


class Answered(Generic[_Answer]):
    """The last `MOST_ANSWERS` answers by the request's octets; safe among threads, each request worked on once.

    Errors, and answers that `keeps` is false of, are not kept.
    """

    def __init__(self, keeps: Callable[[_Answer], bool] = lambda _: True) -> None:
        self._keeps = keeps
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, Future[_Answer]] = OrderedDict()

    def once(self, request: bytes, work: Callable[[], _Answer]) -> tuple[_Answer, bool]:
        """What `work` made of the request, and whether it did so for an earlier arrival."""
        name = hashlib.sha256(request).digest()
        with self._lock:
            earlier = self._answers.get(name)
            if earlier is None:
                mine: Future[_Answer] = Future()
                self._put(name, mine)
        if earlier is not None:
            return earlier.result(), True
        try:
            answer = work()
        except BaseException as error:
            with self._lock:
                self._answers.pop(name, None)
            mine.set_exception(error)
            raise
        mine.set_result(answer)
        if not self._keeps(answer):
            with self._lock:
                self._answers.pop(name, None)
        return answer, False

    def keep(self, request: bytes, answer: _Answer) -> None:
        """Keep an answer that was worked on elsewhere, one request at a time."""
        if self._keeps(answer):
            ready: Future[_Answer] = Future()
            ready.set_result(answer)
            with self._lock:
                self._put(hashlib.sha256(request).digest(), ready)

    def kept(self, request: bytes) -> _Answer | None:
        """The answer kept for the request, if there is one."""
        with self._lock:
            earlier = self._answers.get(hashlib.sha256(request).digest())
        return None if earlier is None else earlier.result()

    def _put(self, name: bytes, answer: Future[_Answer]) -> None:
        self._answers[name] = answer
        if len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)
