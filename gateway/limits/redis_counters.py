"""Call rates and quotas counted in Redis, exactly, for any number of gateways.

All calls of a loop's turn are asked about in one script (`redis_counters.lua`), which decides them
one after the other by Redis's own clock. The next turn's batch does not wait for the answer.

When Redis is down or slow. A batch waits for `timeout_seconds` at most; then, and until a new
connection is open, this gateway decides alone: by its own counters, which follow what Redis says,
or by refusing. What it decided alone is settled once Redis is back, before any call is asked about
again. Each batch is counted once, whatever became of its answer: Redis keeps the number of a
gateway's last batch and the verdicts of the last ones beside the counts, and a new connection makes
those before it invalid, so that nothing of them can be counted later.

What is lost. Where Redis loses its data, rate windows begin anew. Each call tells where its quotas
stand as far as its gateway knows, and the greatest number holds, so that calls that others count
before the gateway that knows most has asked are not added. A gateway that is killed while Redis is
down loses what it decided alone, unless its journal restores it.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

import msgspec

from gateway import tasks
from gateway.catalogue.admission import Admitted, Refusal
from gateway.catalogue.call_limits import CallLimits, QuotaRule, QuotaStand, RateRule, RateStand
from gateway.limits.answers import lines_of, refuse_quota, refuse_rate, refuse_uncounted
from gateway.limits.counters import Counters
from gateway.limits.redis_connection import RedisAddress, RedisConnection, RedisError, Reply, connect
from gateway.limits.standing import Looked
from gateway.limits.unsettled import Unsettled, UnsettledOf
from gateway.log import Sparingly

# As many verdicts does the script keep, so no more batches are under way.
BATCHES_UNDER_WAY: Final = 64
# Redis serves nobody else while it works on a batch.
BATCH_LIMIT: Final = 200
CONNECT_SECONDS: Final = 1.0
# What has arrived by the time that a wait is over is read before the wait counts as over.
GRACE_SECONDS: Final = 0.005
SECONDS_BETWEEN_ATTEMPTS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)

_SCRIPT: Final = Path(__file__).with_suffix(".lua").read_bytes()
# The connection with the highest epoch is the valid one: of several attempts the last one.
_OPEN: Final = b"""
local epoch = tonumber(redis.call('HGET', KEYS[1], 'epoch'))
if epoch and epoch >= tonumber(ARGV[1]) then
    return redis.error_reply('STALE')
end
local known = redis.call('HGETALL', KEYS[1])
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
redis.call('EXPIRE', KEYS[1], 604800)
local fields = {}
for index = 1, #known, 2 do
    fields[known[index]] = known[index + 1]
end
fields.epoch = ARGV[1]
return cmsgpack.pack(fields)
"""
_TAKE, _ADD_BYTES, _SETTLE, _LOOK = range(4)

_unavailable = Sparingly(logging.WARNING, "shared counters unavailable, deciding alone: redis=%s reason=%s")
log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(tuple[int, list[list[int]]]).decode
_decode_state = msgspec.msgpack.Decoder(dict[str, str]).decode

Settle = Callable[[Refusal | None], None]
"""Ends or goes on with one call, and raises nothing: others wait behind it."""
Asked = tuple[Any, ...]


@dataclass(slots=True)
class Question:
    """A call that Redis is asked about. `passed` is what this gateway decided, once it had to."""

    asked: Asked
    admitted: Admitted
    limits: CallLimits
    who: bytes
    now: float
    settle: Settle
    passed: bool = False


@dataclass(slots=True)
class AddedBytes:
    asked: Asked
    quotas: tuple[QuotaRule, ...]
    who: bytes
    size: int


@dataclass(slots=True)
class Settlement:
    asked: Asked
    who: bytes
    what: UnsettledOf


@dataclass(slots=True)
class Look:
    """Limits that somebody wants to know about; nothing is decided by them."""

    asked: Asked
    rates: Sequence[RateRule]
    quotas: Sequence[QuotaRule]
    who: bytes
    told: "asyncio.Future[Looked]"


Entry = Question | AddedBytes | Settlement | Look


@dataclass(slots=True)
class Batch:
    number: int
    entries: list[Entry]
    sent_at: float


class RedisCounters:
    """For the event loop's thread. `local` are this gateway's own counters, in Redis's time."""

    def __init__(self, address: RedisAddress, local: Counters, *, timeout_seconds: float, refuses_alone: bool) -> None:
        self.local = local
        self.is_up = False
        self._address = address
        self._timeout = timeout_seconds
        self._refuses_alone = refuses_alone
        self._loop = asyncio.get_running_loop()
        self._state_key = b"gateway:state:" + os.urandom(16).hex().encode()
        self._epoch = 0
        self._number = 0
        self._connection: RedisConnection | None = None
        self._script = b""
        self._queue: list[Entry] = []
        self._under_way: deque[Batch] = deque()
        self._doubtful: list[Batch] = []
        self._unsettled = Unsettled()
        self._clock_offset = 0.0
        self._watching: asyncio.TimerHandle | None = None
        self._overdue = 0
        self._connecting: asyncio.Task[None] | None = None
        self._all_answered: asyncio.Event | None = None

    # -- What calls need -------------------------------------------------------------------------

    def ask(self, admitted: Admitted, now: float, settle: Settle) -> None:
        """Count a call that has limits; `settle` learns in a later turn what `Counters.take` gives. Only while up."""
        limits, who = admitted.limits, admitted.subscription
        assert limits is not None
        assert who is not None
        asked = self._asked(_TAKE, who, limits.rates, limits.quotas)
        self._put(Question(asked, admitted, limits, who, now, settle))

    def _asked(self, kind: int, who: bytes, rates: Sequence[RateRule], quotas: Sequence[QuotaRule]) -> Asked:
        asked_rates = [(rate.prefix, rate.calls, rate.period) for rate in rates]
        asked_quotas = [
            (
                quota.prefix,
                -1 if quota.calls is None else quota.calls,
                -1 if quota.bytes is None else quota.bytes,
                quota.period,
                _in_microseconds(self.local.stand(quota, who)),
            )
            for quota in quotas
        ]
        return kind, who.hex(), asked_rates, asked_quotas

    def take_alone(self, admitted: Admitted, now: float) -> Refusal | None:
        """Decide by this gateway's own counters, or as the setting says."""
        if self._refuses_alone:
            return refuse_uncounted(admitted)
        now += self._clock_offset
        refusal = self.local.take(admitted, now)
        admitted.limits_unverified = True
        if refusal is None and admitted.limits is not None and admitted.subscription is not None:
            self._unsettled.add_call(admitted.limits, admitted.subscription, admitted.stands, now)
        return refusal

    def add_bytes(self, admitted: Admitted, size: int, now: float) -> None:
        """Count the bytes of a call that has ended, where its quotas do."""
        limits, who = admitted.limits, admitted.subscription
        if limits is None or who is None or not limits.bandwidth:
            return
        self.local.add_bytes(admitted, size, now + self._clock_offset)
        asked = (_ADD_BYTES, who.hex(), [(quota.prefix, quota.period, size) for quota in limits.bandwidth])
        added = AddedBytes(asked, limits.bandwidth, who, size)
        if self.is_up:
            self._put(added)
        else:
            self._leave(added)

    async def look(self, rates: Sequence[RateRule], quotas: Sequence[QuotaRule], who: bytes) -> Looked:
        """Where these limits stand, after `COUNTERS_TIMEOUT_SECONDS` at most; nothing is counted."""
        if not self.is_up:
            return self._look_alone(rates, quotas, who)
        told: asyncio.Future[Looked] = self._loop.create_future()
        self._put(Look(self._asked(_LOOK, who, rates, quotas), rates, quotas, who, told))
        return await told

    def _look_alone(self, rates: Sequence[RateRule], quotas: Sequence[QuotaRule], who: bytes) -> Looked:
        looked = self.local.look(rates, quotas, who, time.time() + self._clock_offset)
        return msgspec.structs.replace(looked, is_certain=False)

    # -- Batches ---------------------------------------------------------------------------------

    def _put(self, entry: Entry) -> None:
        if not self._queue:
            self._loop.call_soon(self._send)
        self._queue.append(entry)

    def _send(self) -> None:
        while self._queue and self._connection is not None and len(self._under_way) < BATCHES_UNDER_WAY:
            entries, self._queue = self._queue[:BATCH_LIMIT], self._queue[BATCH_LIMIT:]
            self._number += 1
            asked = _encode((self._epoch, self._number, [entry.asked for entry in entries]))
            self._under_way.append(Batch(self._number, entries, time.monotonic()))
            self._connection.send(b"EVALSHA", self._script, b"1", self._state_key, asked, reply=self._answered)
        if self._under_way and self._watching is None:
            self._watching = self._loop.call_later(self._timeout, self._watch)

    def _answered(self, reply: Reply) -> None:
        if isinstance(reply, RedisError):
            self._lose(str(reply))
            return
        try:
            microseconds, answers = _decode_answer(reply)
        except msgspec.MsgspecError as error:
            self._lose(str(error))
            return
        if len(answers) != len(self._under_way[0].entries):
            self._lose("an answer that belongs to another question")
            return
        now = microseconds / 1e6
        self._clock_offset = now - time.time()
        batch = self._under_way.popleft()
        if self._queue:
            self._send()
        for entry, answer in zip(batch.entries, answers, strict=True):
            if isinstance(entry, Question):
                _settle(entry, partial(self._verdict, entry, answer, now))
            elif isinstance(entry, Look):
                _tell(entry, Looked(*_stands(answer, entry.rates), now))
        if not self.is_up:
            self._settle_more()
        if self._all_answered is not None and not self._under_way:
            self._all_answered.set()

    def _verdict(self, question: Question, answer: list[int], now: float) -> Refusal | None:
        admitted, limits, who = question.admitted, question.limits, question.who
        refuses, until = answer[0], answer[1] / 1e6
        rates, stands = _stands(answer, limits.rates)
        lines = lines_of(limits, rates, stands, now)
        if refuses == 0:
            self.local.follow(limits, who, stands, now)
            admitted.stands, admitted.limit_lines = stands, lines
            return None
        self.local.know(limits, who, stands)
        if refuses <= len(limits.rates):
            return refuse_rate(admitted, limits, limits.rates[refuses - 1], until, now, lines)
        index = refuses - len(limits.rates) - 1
        return refuse_quota(admitted, limits.quotas[index], stands[index], now, lines)

    # -- Down ------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Look whether the oldest batch has waited too long; one timer for all of them."""
        self._watching = None
        if not self._under_way:
            return
        oldest = self._under_way[0]
        left = oldest.sent_at + self._timeout - time.monotonic()
        if left > 0:
            self._watching = self._loop.call_later(left, self._watch)
        elif self._overdue != oldest.number:
            self._overdue = oldest.number
            self._watching = self._loop.call_later(GRACE_SECONDS, self._watch)
        else:
            self._lose(f"no answer within {self._timeout:g} seconds")

    def _lose(self, reason: str) -> None:
        """Decide alone from now on, and open a new connection."""
        if self._connection is None:
            return
        _unavailable.log("", self._loop.time(), self._address, reason)
        self.is_up = False
        connection, self._connection = self._connection, None
        connection.close()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        doubtful, self._under_way = list(self._under_way), deque()
        self._doubtful += doubtful
        waiting, self._queue = self._queue, []
        for batch in doubtful:
            for entry in batch.entries:
                if isinstance(entry, Question):
                    _settle(entry, partial(self._decide_doubtful, entry))
                elif isinstance(entry, Look):
                    _tell(entry, self._look_alone(entry.rates, entry.quotas, entry.who))
        for entry in waiting:
            if isinstance(entry, Question):
                _settle(entry, partial(self.take_alone, entry.admitted, entry.now))
            elif isinstance(entry, Look):
                _tell(entry, self._look_alone(entry.rates, entry.quotas, entry.who))
            else:
                self._leave(entry)
        self._start_connecting()

    def _decide_doubtful(self, question: Question) -> Refusal | None:
        """Redis may have counted it or not: that is found out later, and settled then."""
        admitted, refusal = question.admitted, None
        if self._refuses_alone:
            refusal = refuse_uncounted(admitted)
        else:
            refusal = self.local.take(admitted, question.now + self._clock_offset)
            admitted.limits_unverified = True
        question.passed = refusal is None
        return refusal

    def _leave(self, entry: AddedBytes | Settlement) -> None:
        """For later."""
        if isinstance(entry, Settlement):
            self._unsettled.put_back(entry.who, entry.what)
            return
        for quota in entry.quotas:
            stand = self.local.stand(quota, entry.who)
            if stand is not None:
                self._unsettled.add_bytes(quota, entry.who, stand[0], entry.size)

    # -- Up again --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, and wait for it as long as a call would: the gateway starts in any case."""
        self._start_connecting()
        assert self._connecting is not None
        await asyncio.wait([self._connecting], timeout=self._timeout)

    async def close(self) -> None:
        """Let Redis take what it was told, and part."""
        if self._under_way or self._queue:
            self._all_answered = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_answered.wait(), self._timeout)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if self._connection is not None:
            self._connection.close()

    def _start_connecting(self) -> None:
        self._connecting = tasks.start(self._connect(), name="connect to Redis")

    async def _connect(self) -> None:
        for seconds in chain(SECONDS_BETWEEN_ATTEMPTS, repeat(SECONDS_BETWEEN_ATTEMPTS[-1])):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._open()
                return
            except (OSError, TimeoutError, UnicodeError, RedisError, msgspec.MsgspecError) as error:
                _unavailable.log("", self._loop.time(), self._address, str(error) or type(error).__name__)
            await asyncio.sleep(seconds)

    async def _open(self) -> None:
        """Make a new connection the valid one, and settle what the ones before left in doubt."""
        self._epoch += 1
        connection = await connect(self._address, self._lose)
        try:
            self._script = await connection.ask(b"SCRIPT", b"LOAD", _SCRIPT)
            state = await connection.ask(b"EVAL", _OPEN, b"1", self._state_key, b"%d" % self._epoch)
            known = _decode_state(state)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        for batch in self._doubtful:
            self._settle_doubtful(batch, known)
        self._doubtful = []
        self._settle_more()

    def _settle_doubtful(self, batch: Batch, known: dict[str, str]) -> None:
        """Find out what Redis has counted of a batch whose answer never came."""
        is_counted = batch.number <= int(known.get("number", 0))
        slot = batch.number % BATCHES_UNDER_WAY
        verdicts = known[f"verdicts{slot}"] if is_counted else "0" * len(batch.entries)
        counted_at = int(known[f"now{slot}"]) / 1e6 if is_counted else 0.0
        for entry, verdict in zip(batch.entries, verdicts, strict=True):
            if isinstance(entry, Question):
                self._settle_question(entry, counted_at if verdict == "1" else None)
            elif not is_counted and not isinstance(entry, Look):
                self._leave(entry)

    def _settle_question(self, question: Question, counted_at: float | None) -> None:
        limits, who = question.limits, question.who
        if question.passed and counted_at is None:
            passed_at = question.now + self._clock_offset
            self._unsettled.add_call(limits, who, question.admitted.stands, passed_at)
        elif counted_at is not None and not question.passed:
            stands = [self.local.stand(quota, who) for quota in limits.quotas]
            self._unsettled.take_back_call(limits, who, stands, counted_at)

    def _settle_more(self) -> None:
        """Tell Redis what was decided without it; once that is all, calls are asked about again."""
        if self._under_way or self._queue:
            return
        if not self._unsettled:
            self.is_up = True
            log.info("shared counters available: redis=%s", self._address)
        for who, what in self._unsettled.pop(BATCH_LIMIT):
            self._put(Settlement((_SETTLE, who.hex(), *self._unsettled_in_microseconds(who, what)), who, what))

    def _unsettled_in_microseconds(self, who: bytes, what: UnsettledOf) -> Asked:
        rates = [
            (
                rate.rule.prefix,
                rate.rule.period,
                [_microseconds(moment) for moment in sorted(rate.times)],
                [_microseconds(moment) for moment in rate.not_to_count],
            )
            for rate in what.rates.values()
        ]
        quotas = []
        for quota in what.quotas.values():
            known = self.local.stand(quota.rule, who)
            calls, used = (known[1], known[2]) if known is not None and known[0] == quota.start else (0, 0)
            before = (quota.start, max(calls - quota.calls, 0), max(used - quota.bytes, 0))
            added = quota.calls - quota.taken_back
            quotas.append((quota.rule.prefix, quota.rule.period, _in_microseconds(before), added, quota.bytes))
        return rates, quotas


def _settle(question: Question, decide: Callable[[], Refusal | None]) -> None:
    """Whatever is wrong with one call, the others that wait get their answers."""
    try:
        refusal = decide()
    except Exception:
        log.exception("a call could not be counted, and is refused")
        refusal = refuse_uncounted(question.admitted)
    question.settle(refusal)


def _tell(look: Look, looked: Looked) -> None:
    """Who asked may have given up waiting."""
    if not look.told.done():
        look.told.set_result(looked)


def _stands(answer: list[int], rates: Sequence[RateRule]) -> tuple[list[RateStand], list[QuotaStand]]:
    after_rates = 2 + 2 * len(rates)
    return (
        [(answer[place], answer[place + 1] / 1e6) for place in range(2, after_rates, 2)],
        [(answer[place] / 1e6, answer[place + 1], answer[place + 2]) for place in range(after_rates, len(answer), 3)],
    )


def _microseconds(moment: float) -> int:
    return round(moment * 1e6)


def _in_microseconds(stand: QuotaStand | None) -> tuple[int, int, int]:
    return (-1, 0, 0) if stand is None else (round(stand[0] * 1e6), stand[1], stand[2])
