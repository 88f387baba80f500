"""How much is kept of callers, and that closed accounts leave no trace in single calls."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import closing
from accounts.models import UserStateChange
from analytics import privacy, rollups, tasks
from analytics.ingest import ingest
from analytics.models import Call, UsageDay
from portal import heartbeat
from tests.analytics.conftest import record

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("how", "address", "kept"),
    [
        pytest.param("full", "203.0.113.7", "203.0.113.7", id="all of it"),
        pytest.param("truncated", "203.0.113.7", "203.0.113.0", id="24 bits of IPv4"),
        pytest.param("truncated", "2001:db8:1:2:3:4:5:6", "2001:db8:1::", id="48 bits of IPv6"),
        pytest.param("truncated", "unix:", "", id="what is no address"),
        pytest.param("none", "203.0.113.7", "", id="nothing"),
    ],
)
def test_addresses_are_kept_as_far_as_the_setting_says(write, tmp_path, settings, how, address, kept):
    settings.CALLER_ADDRESSES = how
    write(record(1, caller_address=address))
    ingest(tmp_path)
    assert Call.objects.get().caller_address == kept


def callers() -> list[tuple[int | None, str]]:
    return list(Call.objects.order_by("at").values_list("user_id", "caller_address"))


def test_a_closed_account_leaves_its_calls_also_those_that_come_late(write, tmp_path, alice, bob, admin_user):
    now = timezone.now()
    write(record(1, user=alice.pk), record(2, user=bob.pk))
    ingest(tmp_path)
    closing.close(alice, by=admin_user)
    assert privacy.erase_closed_accounts(now) == 1
    write(record(3, user=alice.pk))
    ingest(tmp_path)
    assert privacy.erase_closed_accounts(now) == 1
    assert callers() == [(None, ""), (bob.pk, "127.0.0.1"), (None, "")]
    rollups.settle()
    assert sum(UsageDay.objects.values_list("success", flat=True)) == 3


@pytest.mark.parametrize("was_behind", [False, True], ids=["all calls are stored", "calls come days later"])
def test_an_account_closed_while_the_worker_was_away_for_days_leaves_its_calls(
    write, tmp_path, settings, alice, admin_user, was_behind
):
    settings.DATA_DIR, settings.JOURNAL_DIR = tmp_path / "data", str(tmp_path)
    tasks.erase_closed()
    ago = timezone.now() - timedelta(days=5)
    erased_before = (ago - timedelta(hours=1)).timestamp()
    os.utime(settings.DATA_DIR / "heartbeat" / "erase", (erased_before, erased_before))
    closing.close(alice, by=admin_user)
    UserStateChange.objects.filter(user=alice).update(at=ago)
    write(record(1, user=alice.pk, at=ago.timestamp()))
    if was_behind:
        tasks.erase_closed()
    ingest(tmp_path)
    tasks.erase_closed()
    assert callers() == [(None, "")]
    assert timezone.now() - heartbeat.last_beat("erase") < timedelta(minutes=5)


def test_one_person_can_be_erased(write, tmp_path):
    write(record(1, user=7), record(2, user=8))
    ingest(tmp_path)
    assert privacy.erase_user(7) == 1
    assert callers() == [(None, ""), (8, "127.0.0.1")]


@pytest.mark.parametrize(
    ("how", "kept"), [("full", "203.0.113.7"), ("truncated", "***"), ("none", "***")], ids=["full", "truncated", "none"]
)
def test_addresses_in_headers_are_kept_with_those_of_callers_only(write, tmp_path, settings, how, kept):
    settings.CALLER_ADDRESSES = how
    names = (
        *(b"x-forwarded-for", b"forwarded", b"x-real-ip", b"true-client-ip", b"x-azure-clientip"),
        *(b"x-forwarded", b"x-vercel-proxied-for", b"cf-connecting-ipv6", b"cf-pseudo-ipv4"),
    )
    headers = (*((name, b"203.0.113.7") for name in names), (b"accept", b"text/html"))
    write(record(1, response_code=400, request_headers=headers))
    ingest(tmp_path)
    shown = dict(Call.objects.get().request_headers)
    assert shown == {name.decode(): kept for name in names} | {"accept": "text/html"}


def test_headers_and_country_of_an_erased_person_go(write, tmp_path):
    write(record(1, user=7, response_code=400, request_headers=((b"user-agent", b"mine"),)))
    ingest(tmp_path)
    Call.objects.update(country="DE")
    privacy.erase_user(7)
    assert Call.objects.values_list("user_id", "caller_address", "country", "request_headers").get() == (
        None,
        "",
        "",
        None,
    )
