"""Sends what is due, several at a time.

A delivery is claimed by pushing its next attempt into the future (a lease), so that two workers do
not send it at the same time, and a worker that dies does not lose it: the lease runs out. Between
the answer and the note of it a worker may die, so a receiver may get a message twice, under one id.

Threads do nothing but the exchange; the database is asked by the caller's thread alone.
"""

import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from backends.pairs import HIDDEN
from gateway.configuration.sealed import SealedError
from service import models as service_models
from webhooks import signing
from webhooks.endpoints import headers_of, secrets_of, switch_off
from webhooks.models import Attempt, Delivery, Endpoint
from webhooks.posting import SECONDS, Message, Outcome, post

# How long to wait after each attempt that failed: 15 attempts in two days and a half.
WAITS = [
    *(timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=5)),
    *(timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=4)),
    *(timedelta(hours=6), timedelta(hours=8), timedelta(hours=10), timedelta(hours=12), timedelta(hours=14)),
]
MAX_ATTEMPTS = len(WAITS) + 1
# Receivers that were away for the same time do not get everything at the same moment.
JITTER = 0.2
LEASE = timedelta(minutes=5)
PATIENCE = timedelta(days=5)
# Of one run of the worker: nothing is begun after so long, and so many exchanges are under way at once.
RUN_SECONDS = 20.0
POLL_SECONDS = 0.5
PARALLEL = 16
PER_ENDPOINT = 4
GONE = 410
KEPT = timedelta(days=30)
FORGET_BATCH = 1000
USER_AGENT = "API-Management-Webhooks"

State = Delivery.State
logger = logging.getLogger(__name__)
_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Sending:
    delivery: Delivery
    endpoint: Endpoint
    headers: dict[str, str]
    begun_at: datetime


def deliver_due(clock: Callable[[], datetime] = timezone.now) -> int:
    """Try what is due, and what becomes due meanwhile, for RUN_SECONDS; returns how many attempts were made."""
    end, made = time.monotonic() + RUN_SECONDS, 0
    service = service_models.current()
    under_way: dict[Future[Outcome], Sending] = {}
    with ThreadPoolExecutor(PARALLEL, "webhook") as pool:
        while True:
            left = end - time.monotonic()
            for delivery, endpoint in _claims(list(under_way.values()), left, clock):
                sending, exchange = _prepared(delivery, endpoint, clock())
                under_way[pool.submit(exchange, service)] = sending
            if not under_way:
                return made
            done, _rest = wait(under_way, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                _note(under_way.pop(future), future.result(), clock())
                made += 1


def forget_old(now: datetime) -> int:
    """Delete deliveries and their attempts after a month."""
    forgotten = 0
    while old := list(Delivery.objects.filter(created_at__lt=now - KEPT).values_list("pk", flat=True)[:FORGET_BATCH]):
        Delivery.objects.filter(pk__in=old).delete()
        forgotten += len(old)
    return forgotten


def _claims(
    under_way: list[Sending], seconds_left: float, clock: Callable[[], datetime]
) -> Iterator[tuple[Delivery, Endpoint]]:
    """Fill what is free, with one of each endpoint in turn."""
    busy = Counter(sending.endpoint.pk for sending in under_way)
    endpoints = [one for one in _with_something_due(clock()) if seconds_left > _needed_seconds(one)]
    while endpoints and busy.total() < PARALLEL:
        for endpoint in list(endpoints):
            is_full = busy.total() >= PARALLEL or busy[endpoint.pk] >= _room_of(endpoint)
            delivery = None if is_full else _claim(endpoint, clock())
            if delivery is None:
                endpoints.remove(endpoint)
            else:
                busy[endpoint.pk] += 1
                yield delivery, endpoint


def _needed_seconds(endpoint: Endpoint) -> float:
    """One that fails may be slow as well: it must not be what the others wait for when the time is over."""
    return SECONDS if endpoint.failing_since else 0.0


def _room_of(endpoint: Endpoint) -> int:
    return 1 if endpoint.failing_since else PER_ENDPOINT


def _with_something_due(now: datetime) -> list[Endpoint]:
    due = Delivery.objects.filter(endpoint=OuterRef("pk"), state=State.WAITING, next_attempt_at__lte=now)
    return list(Endpoint.objects.filter(Exists(due), is_active=True))


def _claim(endpoint: Endpoint, now: datetime) -> Delivery | None:
    """The endpoint's next delivery that is due, leased to this worker."""
    due = Delivery.objects.filter(endpoint=endpoint, state=State.WAITING, next_attempt_at__lte=now)
    while delivery := due.order_by("next_attempt_at", "pk").first():
        if delivery.attempts >= MAX_ATTEMPTS:
            # Its last attempt ended with the worker's death.
            _own(delivery).update(state=State.FAILED, finished_at=now)
        elif _own(delivery).update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE):
            delivery.attempts += 1
            return delivery
    return None


def _own(delivery: Delivery) -> QuerySet[Delivery]:
    """The delivery, as long as no other worker has claimed it since and nobody has cancelled it."""
    return Delivery.objects.filter(pk=delivery.pk, state=State.WAITING, attempts=delivery.attempts)


def _prepared(delivery: Delivery, endpoint: Endpoint, now: datetime) -> tuple[Sending, Callable[..., Outcome]]:
    """What is to be noted of an attempt, and the function that makes it."""
    body = delivery.body.encode()
    try:
        own = dict(headers_of(endpoint))
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **signing.headers(secrets_of(endpoint, now), str(delivery.message_id), int(now.timestamp()), body),
        }
    except SealedError as error:
        outcome = Outcome(error=_("The secret cannot be read, rotate it: %(why)s") % {"why": error})
        return Sending(delivery, endpoint, {}, now), lambda service: outcome
    message = Message(endpoint.url, endpoint.allows_http, {**own, **headers}, body)
    shown = {**dict.fromkeys(own, HIDDEN), **headers}
    return Sending(delivery, endpoint, shown, now), lambda service: post(message, service)


def _note(sending: Sending, outcome: Outcome, now: datetime) -> None:
    delivery, endpoint = sending.delivery, sending.endpoint
    with transaction.atomic():
        if not Delivery.objects.select_for_update().filter(pk=delivery.pk).exists():
            return  # It went with its endpoint.
        Attempt.objects.create(
            delivery=delivery,
            at=sending.begun_at,
            milliseconds=outcome.milliseconds,
            headers=sending.headers,
            status=outcome.status,
            answer=outcome.answer,
            error=outcome.error,
        )
        if outcome.is_success:
            _end(delivery, State.DELIVERED, outcome, now)
            Endpoint.objects.filter(pk=endpoint.pk).update(last_success_at=now, failing_since=None)
        else:
            _note_failure(delivery, endpoint, outcome, now)


def _note_failure(delivery: Delivery, endpoint: Endpoint, outcome: Outcome, now: datetime) -> None:
    Endpoint.objects.filter(pk=endpoint.pk, failing_since=None).update(failing_since=now)
    if outcome.status == GONE:
        _end(delivery, State.FAILED, outcome, now)
        switch_off(endpoint, _("It answered that it is gone for good (410)."))
        return
    _postpone(delivery, outcome, now)
    if Endpoint.objects.filter(pk=endpoint.pk, failing_since__lte=now - PATIENCE).exists():
        reason = _("Nothing could be delivered for %(days)s days. The last attempt: %(result)s")
        switch_off(endpoint, reason % {"days": PATIENCE.days, "result": _result(outcome)})


def _end(delivery: Delivery, state: str, outcome: Outcome, now: datetime) -> None:
    _own(delivery).update(state=state, finished_at=now, last_result=_result(outcome))


def _postpone(delivery: Delivery, outcome: Outcome, now: datetime) -> None:
    if delivery.attempts >= MAX_ATTEMPTS:
        logger.error("Webhook delivery %s given up after %s attempts", delivery.pk, delivery.attempts)
        _end(delivery, State.FAILED, outcome, now)
        return
    later = now + WAITS[delivery.attempts - 1] * _random.uniform(1, 1 + JITTER)
    _own(delivery).update(next_attempt_at=later, last_result=_result(outcome))


def _result(outcome: Outcome) -> str:
    return outcome.error or str(outcome.status)
