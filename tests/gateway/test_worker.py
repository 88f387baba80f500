"""What a worker does with the master's orders."""

import asyncio

from gateway.process.channel import Ask, Stop
from gateway.process.worker import Worker


class Channel:
    def __init__(self, *orders):
        self.orders = list(orders)

    async def receive(self):
        return self.orders.pop(0)


def test_a_report_that_fails_makes_no_worker_deaf(caplog):
    def status(server):
        raise KeyError("unforeseen")

    async def obey() -> bool:
        worker = Worker.__new__(Worker)
        worker._channel, worker._is_to_end, worker.status = Channel(Ask(), Stop(), None), asyncio.Event(), status
        await worker._obey(None)
        return worker._is_to_end.is_set()

    assert asyncio.run(obey())
    assert "the worker could not tell how it does" in caplog.text
