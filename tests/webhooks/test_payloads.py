"""What webhooks carry, and that the documents say it."""

import json
import re
from pathlib import Path

import pytest

from events import names
from events.recording import record
from subscriptions import lifecycle
from subscriptions.models import Product
from webhooks import payloads

DOCUMENT = (Path(__file__).resolve().parent.parent.parent / "docs" / "webhooks.md").read_text()
ALL = {value for name, value in vars(names).items() if name.isupper()}


def documented() -> dict[str, str]:
    rows = re.findall(r"^\| (`[^|]+) \|[^|]*\| ([^|]+) \|$", DOCUMENT, re.MULTILINE)
    return {name: fields for cell, fields in rows for name in re.findall(r"`([\w.]+)`", cell)}


def data_of(event) -> dict:
    return json.loads(payloads.body_of(event))["data"]


def test_each_event_has_its_fields_and_its_row_in_the_document():
    assert set(payloads.FIELDS) == ALL
    assert set(documented()) == ALL | {payloads.TEST}


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_fields_that_the_document_names_are_the_fields(name):
    fields, cell = payloads.FIELDS[name], documented()[name]
    if not re.match(r"the same|as `", cell):
        assert tuple(re.findall(r"`(\w+)`", cell)) == fields
    else:
        assert fields[:6] == payloads.FIELDS[names.SUBSCRIPTION_ACTIVATED]
        assert cell == "the same" or tuple(re.findall(r"`(\w+)`", cell)) == fields[6:]


def test_a_step_of_a_subscription_names_what_it_concerns(service, alice, admin_user):
    starter = Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)
    row = lifecycle.create(display_name="Mine", by=admin_user, owner=alice, product=starter)
    lifecycle.change_state(row, "suspended", by=admin_user, comment="Not paid by A. Example")
    event = type(record(names.USER_CLOSED)).objects.get(name=names.SUBSCRIPTION_SUSPENDED)
    assert data_of(event) == {
        "subscription": {"id": str(row.pk), "name": "Mine", "state": "suspended"},
        "owner": {"id": alice.pk, "email": alice.email},
        "team": None,
        "product": {"id": starter.pk, "name": "starter"},
        "api": None,
        "by": {"id": admin_user.pk},
    }


def test_what_is_not_named_stays_here(service, alice):
    event = record(names.USER_SIGNED_IN_FROM_NEW_DEVICE, user=alice, device="Firefox", address="203.0.113.7", key="k")
    assert data_of(event) == {"user": {"id": alice.pk, "email": alice.email}}


def test_of_who_is_gone_the_id_is_left(service, alice):
    alice.state = "deleted"
    alice.save()
    assert data_of(record(names.USER_BLOCKED, user=alice)) == {"user": {"id": alice.pk}, "by": None}
    assert data_of(record(names.ANNOUNCEMENT_PUBLISHED, api=999))["api"] == {"id": 999}


def test_an_event_that_has_no_fields_carries_none(service, alice):
    assert data_of(record("later.added", user=alice)) == {}


def test_a_moment_is_written_in_utc(service):
    event = record(names.USER_CLOSED)
    body = json.loads(payloads.body_of(event))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", body["at"])
    assert body["id"] == str(payloads.message_id(event))
