"""A gateway's place for a worker."""

import asyncio

from gateway import tasks
from gateway.process.slot import Slot
from gateway.process.worker_process import State


class Serving:
    """As much of a worker as a slot asks for while it serves."""

    state = State.SERVING

    async def ended(self) -> None:
        await asyncio.Event().wait()


def test_a_replacement_that_fails_in_any_way_has_an_end():
    async def start(number: int):
        raise RuntimeError("can't start new thread")

    async def replace() -> bool:
        slot = Slot(0, start, drain_seconds=1)
        slot.worker = Serving()
        keeping = tasks.start(slot.keep(), name="slot")
        try:
            async with asyncio.timeout(10):
                return await slot.replace()
        finally:
            keeping.cancel()

    assert asyncio.run(replace()) is False
