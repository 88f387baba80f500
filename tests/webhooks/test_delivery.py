"""From the event to the receiver: written once, signed, tried again, given up."""

import threading
from datetime import timedelta

import pytest

from events import names
from events.models import Event
from events.recording import record
from notifications.telling import tell_new
from tests.webhooks.conftest import NOON, waiting
from webhooks import delivery, queue, signing
from webhooks.endpoints import Overlap, put_headers, rotate_secret
from webhooks.models import Attempt, Delivery, Endpoint

State = Delivery.State


def run(at=NOON) -> int:
    return delivery.deliver_due(clock=lambda: at)


def test_an_event_is_written_once_for_each_endpoint_that_wants_it(make_endpoint, alice):
    make_endpoint("http://127.0.0.1:9/a", events=["user.*"])
    make_endpoint("http://127.0.0.1:9/b", events=["user.closed", "team.*"])
    make_endpoint("http://127.0.0.1:9/c", events=["user.closedness", "use.*"])
    make_endpoint("http://127.0.0.1:9/d", is_active=False)
    record(names.USER_CLOSED, user=alice, email=alice.email)
    tell_new()
    tell_new()
    rows = Delivery.objects.order_by("pk")
    assert [row.endpoint.url[-1] for row in rows] == ["a", "b"]
    assert rows[0].message_id == rows[1].message_id


def test_what_cannot_be_written_leaves_the_event_untold(endpoint, monkeypatch):
    monkeypatch.setattr("webhooks.payloads.body_of", lambda event: 1 / 0)
    record(names.USER_CLOSED)
    tell_new()
    assert Event.objects.get().told_at is None
    assert not Delivery.objects.exists()


def test_a_message_arrives_signed(endpoint, receiver):
    row = waiting(endpoint)
    assert run() == 1
    [(path, headers, body)] = receiver.requests
    wanted = signing.signature(endpoint.secret, str(row.message_id), int(NOON.timestamp()), body)
    assert (path, body.decode()) == ("/hook", row.body)
    assert headers["webhook-id"] == str(row.message_id)
    assert headers["webhook-signature"] == wanted
    assert headers["content-type"] == "application/json"
    row.refresh_from_db()
    endpoint.refresh_from_db()
    assert (row.state, row.finished_at, endpoint.last_success_at) == (State.DELIVERED, NOON, NOON)


def test_signature_is_that_of_the_specification():
    """The example of https://github.com/standard-webhooks/standard-webhooks."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    signed = signing.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_both_secrets_sign_during_the_overlap(endpoint, receiver):
    old, new = endpoint.secret, rotate_secret(endpoint, Overlap.DAY, NOON)
    for at in (NOON, NOON + timedelta(days=1)):
        waiting(endpoint)
        run(at)
    [during, after] = [headers["webhook-signature"].split() for _, headers, _ in receiver.requests]
    assert (len(during), len(after), old == new) == (2, 1, False)


def test_a_secret_that_leaked_stops_at_once(endpoint, receiver):
    rotate_secret(endpoint, Overlap.NONE, NOON)
    waiting(endpoint)
    run()
    assert len(receiver.requests[0][1]["webhook-signature"].split()) == 1


def test_own_headers_are_sent_and_not_logged(endpoint, receiver):
    put_headers(endpoint, (("Authorization", "Bearer hidden-value"), ("webhook-id", "mine")))
    endpoint.save()
    waiting(endpoint)
    run()
    assert receiver.requests[0][1]["authorization"] == "Bearer hidden-value"
    assert receiver.requests[0][1]["webhook-id"] != "mine"
    log = Attempt.objects.get().headers
    assert "hidden-value" not in str(log)
    assert "webhook-signature" in log


@pytest.mark.parametrize("status", [300, 302, 400, 404, 429, 500, 503])
def test_other_answers_are_failures_and_tried_again(endpoint, receiver, status):
    receiver.answer(status, 204, body=b"no \x00 thanks <b>")
    row = waiting(endpoint)
    run()
    row.refresh_from_db()
    endpoint.refresh_from_db()
    assert (row.state, row.last_result, endpoint.failing_since) == (State.WAITING, str(status), NOON)
    assert timedelta(seconds=5) <= row.next_attempt_at - NOON <= timedelta(seconds=6)
    assert row.attempt_log.get().answer == "no  thanks <b>"
    run(NOON + timedelta(seconds=10))
    endpoint.refresh_from_db()
    assert (Delivery.objects.get().state, endpoint.failing_since) == (State.DELIVERED, None)
    ids = {headers["webhook-id"] for _, headers, _ in receiver.requests}
    assert ids == {str(row.message_id)}


def test_two_kilobytes_of_an_answer_are_kept(endpoint, receiver):
    receiver.answer(200, body=b"x" * 10_000)
    waiting(endpoint)
    run()
    assert len(Attempt.objects.get().answer) == 2048


def test_who_cannot_be_reached_is_noted(make_endpoint):
    row = waiting(make_endpoint("http://127.0.0.1:1025/"))
    run()
    row.refresh_from_db()
    assert (row.state, row.last_result) == (State.WAITING, "Nothing listens there.")


def test_an_address_that_is_not_allowed_any_more_is_not_called(endpoint, receiver, settings):
    settings.WEBHOOK_ALLOWED_NETWORKS = []
    row = waiting(endpoint)
    run()
    row.refresh_from_db()
    assert "not on the public Internet" in row.last_result
    assert receiver.requests == []


def test_fifteen_attempts_take_two_to_three_days(endpoint, receiver):
    receiver.answer(500)
    row, at = waiting(endpoint), NOON
    while row.state == State.WAITING:
        at = row.next_attempt_at
        run(at)
        row.refresh_from_db()
    assert (row.state, row.attempts, row.attempt_log.count()) == (State.FAILED, 15, 15)
    assert timedelta(days=2) < at - NOON < timedelta(days=3)


def test_who_says_that_it_is_gone_is_switched_off(endpoint, receiver):
    receiver.answer(410)
    row = waiting(endpoint)
    run()
    row.refresh_from_db()
    endpoint.refresh_from_db()
    assert (row.state, endpoint.is_active) == (State.FAILED, False)
    assert "410" in endpoint.switched_off_because
    assert Event.objects.get().name == names.WEBHOOK_SWITCHED_OFF


def test_who_fails_for_days_is_switched_off_once_and_administrators_hear_of_it(endpoint, receiver, new_mails):
    Endpoint.objects.update(failing_since=NOON - timedelta(days=5))
    receiver.answer(500)
    first, second = waiting(endpoint), waiting(endpoint)
    run()
    assert not Endpoint.objects.get().is_active
    assert {first.endpoint.deliveries.get(pk=row.pk).state for row in (first, second)} == {State.WAITING}
    assert new_mails() == [(["admin@example.org"], "The webhook “CRM” was switched off")]


def test_one_success_keeps_an_endpoint_on(endpoint, receiver):
    Endpoint.objects.update(failing_since=NOON - timedelta(days=5))
    waiting(endpoint)
    run()
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.failing_since) == (True, None)


def test_what_waits_goes_on_when_its_endpoint_is_switched_on_again(endpoint, receiver):
    row = waiting(endpoint)
    Endpoint.objects.update(is_active=False)
    assert run() == 0
    Endpoint.objects.update(is_active=True)
    assert run() == 1
    row.refresh_from_db()
    assert row.state == State.DELIVERED


def test_a_slow_endpoint_does_not_hold_the_others_back(make_endpoint, make_receiver):
    slow, quick = make_receiver(), make_receiver()
    slow.hold = threading.Event()
    for receiver, number in ((slow, 6), (quick, 20)):
        endpoint = make_endpoint(receiver.url)
        for _ in range(number):
            waiting(endpoint)
    threading.Thread(target=lambda: (_until(lambda: len(quick.requests) == 20), slow.hold.set())).start()
    run()
    assert (len(quick.requests), len(slow.requests)) == (20, 6)


def test_a_failing_endpoint_gets_one_exchange_at_a_time(make_endpoint, make_receiver):
    endpoint = make_endpoint(make_receiver().url)
    Endpoint.objects.update(failing_since=NOON)
    for _ in range(3):
        waiting(endpoint)
    assert len(list(delivery._claims([], 20, lambda: NOON))) == 1
    assert list(delivery._claims([], 5, lambda: NOON)) == []


def test_a_worker_that_dies_loses_nothing(endpoint, receiver, monkeypatch):
    row = waiting(endpoint)
    monkeypatch.setattr(delivery, "_note", lambda *_: (_ for _ in ()).throw(SystemExit()))
    with pytest.raises(SystemExit):
        run()
    monkeypatch.undo()
    assert run() == 0
    assert run(NOON + delivery.LEASE) == 1
    row.refresh_from_db()
    assert (row.state, len(receiver.requests)) == (State.DELIVERED, 2)


def test_a_delivery_whose_last_attempt_was_cut_off_has_failed(endpoint, receiver):
    row = waiting(endpoint, attempts=delivery.MAX_ATTEMPTS)
    run()
    row.refresh_from_db()
    assert (row.state, receiver.requests) == (State.FAILED, [])


def test_a_secret_that_cannot_be_read_is_a_failure_that_says_so(endpoint, receiver, settings):
    settings.KEY_ENCRYPTION_KEY = "z" * 40
    row = waiting(endpoint)
    run()
    row.refresh_from_db()
    assert "another KEY_ENCRYPTION_KEY" in row.last_result


def test_what_ended_is_replayed_under_the_same_id(endpoint, receiver):
    row = waiting(endpoint)
    run()
    assert queue.replay(Delivery.objects.all(), NOON) == 1
    assert queue.replay(Delivery.objects.all(), NOON) == 0
    run()
    assert {headers["webhook-id"] for _, headers, _ in receiver.requests} == {str(row.message_id)}
    assert len(receiver.requests) == 2


def test_what_was_cancelled_is_not_sent(endpoint, receiver):
    waiting(endpoint)
    assert queue.cancel(Delivery.objects.all(), NOON) == 1
    assert run() == 0


def test_an_endpoint_that_is_deleted_meanwhile_is_no_trouble(endpoint, receiver, monkeypatch):
    waiting(endpoint)
    real = delivery._note

    def delete_first(*arguments):
        Endpoint.objects.all().delete()
        real(*arguments)

    monkeypatch.setattr(delivery, "_note", delete_first)
    assert run() == 1
    assert not Attempt.objects.exists()


def test_old_deliveries_are_forgotten_with_their_attempts(endpoint, receiver):
    for _ in range(2):
        waiting(endpoint)
    run()
    old = Delivery.objects.first()
    Delivery.objects.filter(pk=old.pk).update(created_at=NOON - timedelta(days=31))
    Delivery.objects.exclude(pk=old.pk).update(created_at=NOON)
    assert delivery.forget_old(NOON) == 1
    assert (Delivery.objects.count(), Attempt.objects.count()) == (1, 1)


def _until(condition) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
