"""Workers that run at the same time: each message is sent once (PostgreSQL)."""

from events import names
from events.recording import record
from notifications.telling import tell_new
from tests.subscriptions.parallel import ON_POSTGRESQL, at_once
from webhooks.delivery import deliver_due
from webhooks.models import Attempt, Delivery

pytestmark = ON_POSTGRESQL


def work() -> None:
    tell_new()
    deliver_due()


def test_workers_that_race_write_and_send_each_message_once(endpoint, receiver):
    for _ in range(30):
        record(names.USER_CLOSED)
    assert at_once(work, work, work) == ["done"] * 3
    deliver_due()
    ids = [headers["webhook-id"] for _, headers, _ in receiver.requests]
    assert (len(ids), len(set(ids))) == (30, 30)
    assert Delivery.objects.filter(state=Delivery.State.DELIVERED, attempts=1).count() == 30
    assert Attempt.objects.count() == 30
