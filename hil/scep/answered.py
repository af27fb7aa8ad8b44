"""Answers kept for requests that come again octet for octet, as a client's or a network's retry sends them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

MOST_ANSWERS = 256


class Answered:
    """The last `MOST_ANSWERS` answers by the request's octets; safe among threads, each request worked on once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, Future[bytes]] = OrderedDict()

    def once(self, request: bytes, work: Callable[[], bytes]) -> tuple[bytes, bool]:
        """What `work` made of the request, and whether it did so for an earlier arrival; its errors are not kept."""
        name = hashlib.sha256(request).digest()
        with self._lock:
            earlier = self._answers.get(name)
            if earlier is None:
                mine: Future[bytes] = Future()
                self._answers[name] = mine
                if len(self._answers) > MOST_ANSWERS:
                    self._answers.popitem(last=False)
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
        return answer, False
