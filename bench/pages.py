"""How long the pages about usage take: `DATABASE_URL=… DATA_DIR=… python -m bench.pages [part of a page's name]`.

On a database that `bench.fill` has filled. Prints a Markdown table: for each page the median of five times, the
processor time of this process in it, that of the database as well (PostgreSQL's on this machine, without parallel
workers), what queries take, and their number. Where other work keeps the machine busy, processor times are what an
idle one would take at most. `--explain` prints the plan of each query that takes 50 ms or more.
"""

import os
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
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
    return found | insights_pages()


def insights_pages() -> dict[str, str]:
    """The same, of what publishers should know."""
    from django.urls import reverse

    from apis.models import API, Operation

    names = ("deprecated", "uncalled", "quotas", "funnel")
    found = {f"insights, {name}": reverse(f"insights:{name}") for name in names}
    found |= {f"insights, deprecated, {days}d": f"{reverse('insights:deprecated')}?days={days}" for days in (7, 90)}
    for kind, model in (("api", API), ("operation", Operation)):
        row = model.objects.filter(deprecated_at__isnull=False).order_by("pk").first()
        if row is not None:
            path = reverse(f"insights:deprecated-{kind}", args=[row.pk])
            found |= {f"callers of a deprecated {kind}, {days}d": f"{path}?days={days}" for days in (7, 30, 90)}
            found[f"callers of a deprecated {kind}, 30d, page 9"] = f"{path}?days=30&page=9"
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
        f"| Page ({connection.vendor}) | ms | of this process | of processors | of queries | queries |\n"
        "| --- | --- | --- | --- | --- | --- |"
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
    processors = processor_seconds(lambda: browser.get(path))
    # Apart, as taking down what is asked takes time too.
    with CaptureQueriesContext(connection) as queries:
        browser.get(path)
    asked = sum(float(query["time"]) for query in queries.captured_queries)
    milliseconds = (f"{seconds * 1000:,.0f}" for seconds in (median(whole[1:]), median(own[1:]), processors, asked))
    print(f"| {name} | {' | '.join(milliseconds)} | {len(queries)} |", flush=True)
    if explain:
        for query in queries.captured_queries:
            if float(query["time"]) >= SLOW_SECONDS and query["sql"].startswith("SELECT"):
                print_plan(query["sql"])


def processor_seconds(work: Callable[[], object]) -> float:
    """What this process takes for it, and the database's that serves it: the mean of some times."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return _processor_seconds(work, time.process_time)
    ticks, process = os.sysconf("SC_CLK_TCK"), Path(f"/proc/{connection.connection.info.backend_pid}")
    if not (process / "cmdline").read_text().startswith("postgres"):
        return float("nan")

    def elapsed() -> float:
        user, system = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return time.process_time() + (int(user) + int(system)) / ticks

    with connection.cursor() as cursor:
        # The processor time of parallel workers is nowhere to be read.
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        seconds = _processor_seconds(work, elapsed)
        cursor.execute("RESET max_parallel_workers_per_gather")
    return seconds


def _processor_seconds(work: Callable[[], object], elapsed: Callable[[], float]) -> float:
    began = elapsed()
    for _ in range(TIMES):
        work()
    return (elapsed() - began) / TIMES


if __name__ == "__main__":
    main()
