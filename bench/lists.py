"""How long the lists of the administration take when there is much to list.

`DATABASE_URL=… DATA_DIR=… python -m bench.lists`, on a database of its own, which it migrates and fills first.
Prints the median of five times, the processor time of this process and the database (see `bench.pages`), and the
number of queries of each list, search and filter.
"""

import os
import statistics
import time
from argparse import ArgumentParser
from functools import partial

import django
from django.core.management import call_command

from bench.pages import processor_seconds

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

USERS = SUBSCRIPTIONS = 100_000
RECORDS = 1_000_000
TIMES = 5
PAGES = [
    "",
    "accounts/user/",
    "accounts/user/?p=2",
    "accounts/user/?q=person77777",
    "accounts/user/?q=nobody",
    "accounts/user/?o=1",
    "accounts/user/?state__exact=blocked",
    "accounts/user/?role=support",
    "subscriptions/subscription/",
    "subscriptions/subscription/?p=2",
    "subscriptions/subscription/?q=subscription77777",
    "subscriptions/subscription/?q=nothing",
    "subscriptions/subscription/?o=1",
    "subscriptions/subscription/?use=unused",
    "subscriptions/subscription/?state__exact=submitted",
    "subscriptions/subscription/?state__exact=active",
    "audit/entry/",
    "audit/entry/?q=thing777777",
    "audit/entry/?q=nothing",
    "audit/entry/?action=2",
    "audit/entry/?period=day",
    "audit/entry/?actor__id__exact=1",
    "notifications/outboxmail/",
    "notifications/outboxmail/?state__exact=failed",
    "notifications/outboxmail/?state__exact=waiting",
    "notifications/outboxmail/?is_bulk__exact=1",
    "notifications/outboxmail/?q=person077777@example.org",
    "notifications/outboxmail/?q=nothing",
    "analytics/call/",
    "insights/funnel/?period=30d",
    "insights/funnel/?period=30d&step=3&page=9",
    "insights/quotas/",
    "insights/quotas/?level=80",
    "insights/uncalled/",
    "autocomplete/?app_label=subscriptions&model_name=subscription&field_name=owner&term=person77",
]


def _insert(table: str, rows: int, values: dict[str, str]) -> None:
    """Rows whose values are SQL of the number `i`."""
    from django.db import connection

    columns, expressions = ", ".join(values), ", ".join(values.values())
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) {numbers} SELECT {expressions} FROM n")


def fill() -> None:
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection

    from accounts.models import User
    from apis.models import API
    from service.setup import create_service
    from subscriptions.models import Product

    create_service(name="bench", organization_name="Bench", administrator_email="admin@example.org")
    is_postgresql = connection.vendor == "postgresql"
    number = "lpad(i::text, 6, '0')" if is_postgresql else "printf('%06d', i)"
    at = "now() - i * interval '20 seconds'" if is_postgresql else "datetime('now', '-' || (i * 20) || ' seconds')"
    identity = "gen_random_uuid()" if is_postgresql else "lower(hex(randomblob(16)))"
    document = "jsonb" if is_postgresql else "text"
    no = "false" if is_postgresql else "0"
    first, product = User.objects.order_by("pk").first(), Product.objects.order_by("pk").first()
    assert first is not None
    assert product is not None
    _insert(
        "accounts_user",
        USERS,
        {
            "password": "''",
            "is_superuser": no,
            "is_staff": no,
            "email": f"'person' || {number} || '@example.org'",
            "first_name": f"'First' || {number}",
            "last_name": f"'Last' || {number}",
            "state": "CASE WHEN i % 1000 = 0 THEN 'blocked' ELSE 'active' END",
            "note": "''",
            "registered_at": at,
            "confirmed_at": "CASE WHEN i % 10 > 0 THEN " + at + " END",
        },
    )
    _insert(
        "subscriptions_subscription",
        SUBSCRIPTIONS,
        {
            "id": identity,
            "display_name": f"'subscription' || {number}",
            "owner_id": f"{first.pk} + i",
            "product_id": str(product.pk),
            "all_apis": no,
            "state": "CASE WHEN i % 1000 = 0 THEN 'submitted' ELSE 'active' END",
            "state_comment": "''",
            "terms_accepted": "''",
            "allow_tracing": no,
            "created_at": at,
            "started_at": "CASE WHEN i % 5 > 0 THEN " + at + " END",
        },
    )
    with connection.cursor() as cursor:
        # Half of them called, and a third with success.
        text = "id::text" if is_postgresql else "id"
        cursor.execute(
            "INSERT INTO analytics_firstcall (subscription_id, called_at, succeeded_at) "
            f"SELECT id, created_at, CASE WHEN {text} < '5' THEN created_at END "
            f"FROM subscriptions_subscription WHERE {text} < '8'"
        )
        cursor.execute(
            "INSERT INTO analytics_quotause (subscription_id, product_id, period_start, calls, bytes) "
            "SELECT id, product_id, created_at, length(display_name) * 5 + owner_id % 40, 0 "
            f"FROM subscriptions_subscription WHERE {text} < '8'"
        )
    kind = ContentType.objects.get_for_model(API).pk
    _insert(
        "audit_entry",
        RECORDS,
        {
            "content_type_id": str(kind),
            "actor_id": f"{first.pk} + i % 20",
            "actor_email": "'admin@example.org'",
            "object_pk": "CAST(i AS varchar(20))",
            "object_id": "i",
            "object_repr": f"'Thing' || {number}",
            "searched": f"'thing' || {number}",
            "action": "CASE WHEN i % 5000 = 0 THEN 2 ELSE 1 END",
            "changes": '\'{"name": ["a", "b"]}\'',
            "text": "''",
            "remote_addr": "'192.0.2.1'",
            "timestamp": at,
            "cid": f"{number}",
            "via": "'administration'",
        },
    )
    _insert(
        "notifications_outboxmail",
        RECORDS,
        {
            "message": "'x'",
            "sender": "'a@example.org'",
            "recipients": f"CAST('[\"person' || {number} || '@example.org\"]' AS {document})",
            "subject": f"'Subject ' || {number}",
            "state": "CASE WHEN i % 5000 = 0 THEN 'failed' ELSE 'sent' END",
            "attempts": "1",
            "next_attempt_at": at,
            "last_error": "''",
            "created_at": at,
            "sent_at": at,
        },
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measure(only: str) -> None:
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from accounts.models import User

    settings.ALLOWED_HOSTS = ["*"]
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    browser = Client()
    browser.force_login(User.objects.get(email="admin@example.org"), backend=settings.AUTHENTICATION_BACKENDS[0])
    print(f"| Page ({connection.vendor}) | ms | of processors | queries |\n| --- | --- | --- | --- |")
    for page in (page for page in PAGES if page.startswith(only)):
        durations = []
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            answer = browser.get(f"/admin/{page}")
            durations.append(time.perf_counter() - began)
            assert answer.status_code == 200, (page, answer)
        address = f"/admin/{page}"
        processors = processor_seconds(partial(browser.get, address))
        with CaptureQueriesContext(connection) as queries:
            browser.get(address)
        times = f"{statistics.median(durations[1:]) * 1000:.0f} | {processors * 1000:.0f}"
        print(f"| `{page or 'start page'}` | {times} | {len(queries)} |", flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--filled", action="store_true", help="the database is filled already")
    parser.add_argument("--only", default="", help="pages whose address begins so")
    arguments = parser.parse_args()
    django.setup()
    if not arguments.filled:
        call_command("migrate", verbosity=0)
        fill()
    measure(arguments.only)
