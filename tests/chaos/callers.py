"""Callers that never stop: each call has a number of its own, and they note how each one ended."""

import http.client
import threading
from collections import Counter
from itertools import count

TIMEOUT_SECONDS = 30


class Callers:
    """`answered` holds the status of each call whose answer came whole; `broken` the numbers of the others."""

    def __init__(self, port: int, path: str, headers: dict[str, str], body: str, *, threads: int) -> None:
        self.answered: dict[int, int] = {}
        self.broken: set[int] = set()
        self._port, self._path, self._headers, self._body = port, path, headers, body
        self._numbers = count(1)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._call_on, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(TIMEOUT_SECONDS)

    def have_answers(self, count: int) -> bool:
        return len(self.answered) >= count

    @property
    def statuses(self) -> Counter[int]:
        return Counter(list(self.answered.values()))

    def _call_on(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        while not self._stopping.is_set():
            number = next(self._numbers)
            try:
                connection.request("POST", f"{self._path}&number={number}", self._body, self._headers)
                answer = connection.getresponse()
                answer.read()
                self.answered[number] = answer.status
            except (OSError, http.client.HTTPException):
                self.broken.add(number)
                connection.close()
                # A gateway that is not there refuses a thousand times a second.
                self._stopping.wait(0.005)
        connection.close()
