"""How long the pages about usage take: `DATABASE_URL=… DATA_DIR=… python -m bench.pages [part of a page's name]`.

On a database that `bench.fill` has filled. Prints a Markdown table: for each page the median of five times, the
time of this process and of the database in it, and the number of queries. `--explain` prints the plan of each
query that takes 50 ms or more.
"""

import os
import time
from argparse import ArgumentParser, Namespace
from statistics import median
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import django

from bench.fill import ADMINISTRATOR
from bench.reports import print_plan

if TYPE_CHECKING:
    from django.test import Client

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

TIMES = 5
SLOW_SECONDS = 0.05
PERIODS = ("hour", "day", "7d", "30d", "90d")


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="pages with this in their name")
    parser.add_argument("--explain", action="store_true", help="print plans of slow queries")
    arguments = parser.parse_args()
    django.setup()
    measure(arguments)


def publishers_pages() -> dict[str, str]:
    """Paths by name."""
    from django.urls import reverse

    from apis.models import API, Operation
    from subscriptions.models import Product, Subscription

    usage, calls = reverse("usage:overview"), reverse("admin:analytics_call_changelist")
    api = API.objects.order_by("pk")[0].pk
    operation = Operation.objects.order_by("pk")[0].pk
    product = Product.objects.filter(name="p-1").get().pk
    subscription = Subscription.objects.order_by("pk")[0].pk
    found = {f"dashboard, {period}": f"{usage}?period={period}" for period in PERIODS}
    found |= {f"who called, {period}": f"{reverse('usage:rankings')}?period={period}" for period in PERIODS}
    narrowed = {"api": api, "operation": operation, "product": product, "subscription": subscription}
    for name, value in narrowed.items():
        found[f"dashboard of one {name}, 30d"] = f"{usage}?{urlencode({'period': '30d', name: value})}"
    for name in ("api", "operation", "product", "subscription", "user", "country"):
        found[f"by {name}, 30d"] = f"{reverse('usage:table', args=[name])}?period=30d"
    found |= {f"calls, {period}": f"{calls}?period={period}" for period in ("hour", "30d")}
    for name, value in {**narrowed, "class": "failed", "code": 502}.items():
        found[f"calls of one {name}, 30d"] = f"{calls}?{urlencode({'period': '30d', name: value})}"
    found["start page of the administration"] = reverse("admin:index")
    return found


def developers_pages() -> dict[str, str]:
    """The same, of the account area."""
    from django.urls import reverse

    usage, failed = reverse("portal:usage"), reverse("portal:failed_calls")
    return {
        **{f"developer's usage, {period}": f"{usage}?period={period}" for period in ("day", "30d")},
        "developer's failed calls, 30d": f"{failed}?period=30d",
    }


def measure(arguments: Namespace) -> None:
    from django.conf import settings
    from django.db import connection
    from django.test import Client

    from accounts.models import User
    from subscriptions.models import Subscription

    settings.ALLOWED_HOSTS = ["*"]
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    developer = Subscription.objects.exclude(owner=None).order_by("pk")[0].owner
    publisher = User.objects.get(email=ADMINISTRATOR)
    print(
        f"| Page ({connection.vendor}) | ms | of this process | of queries | queries |\n| --- | --- | --- | --- | --- |"
    )
    for person, pages in ((publisher, publishers_pages()), (developer, developers_pages())):
        browser = Client()
        browser.force_login(person, backend=settings.AUTHENTICATION_BACKENDS[0])
        for name, path in pages.items():
            if arguments.only in name:
                measure_page(browser, name, path, explain=arguments.explain)


def measure_page(browser: "Client", name: str, path: str, *, explain: bool) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    whole, own = [], []
    for _ in range(TIMES + 1):
        began, worked = time.perf_counter(), time.process_time()
        answer = browser.get(path)
        whole.append(time.perf_counter() - began)
        own.append(time.process_time() - worked)
        assert answer.status_code == 200, (path, answer)
    # Apart, as taking down what is asked takes time too.
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)
    asked = sum(float(query["time"]) for query in queries.captured_queries)
    milliseconds = (f"{seconds * 1000:,.0f}" for seconds in (median(whole[1:]), median(own[1:]), asked))
    print(f"| {name} | {' | '.join(milliseconds)} | {len(queries)} |", flush=True)
    if explain:
        for query in queries.captured_queries:
            if float(query["time"]) >= SLOW_SECONDS and query["sql"].startswith("SELECT"):
                print_plan(query["sql"])


if __name__ == "__main__":
    main()
