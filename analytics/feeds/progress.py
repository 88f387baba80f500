"""How far each feed has got, and which calls wait for it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from analytics.feeds.ranges import otlp_feed, parquet_feed
from analytics.models import Call, CallFeed

# Files are written each hour, and a collector that is away is asked every ten minutes at least.
LATE = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Progress:
    """`is_set` where the settings name the feed. `oldest` is when the first call was made that waits, if one does."""

    feed: CallFeed
    is_set: bool
    oldest: datetime | None

    @property
    def name(self) -> str:
        """Without what may be a secret in a collector's URL."""
        kind, _, target = self.feed.name.partition(" ")
        if kind != "otlp":
            return f"Parquet {target}"
        url = urlsplit(target)
        return f"OpenTelemetry {url.scheme}://{url.netloc.rpartition('@')[2]}"

    def is_late(self, now: datetime) -> bool:
        """What the settings do not name waits for nobody."""
        return self.is_set and self.oldest is not None and now - self.oldest > LATE


def all_feeds() -> list[Progress]:
    """Those of the settings, and others that calls once left by. One query for each."""
    known = {feed.name: feed for feed in CallFeed.objects.order_by("name")}
    wanted = set(_names_set())
    feeds = known | {name: CallFeed(name=name) for name in wanted - known.keys()}
    return [Progress(feed, name in wanted, _oldest_after(feed.sent_to)) for name, feed in sorted(feeds.items())]


def _names_set() -> Iterator[str]:
    if settings.CALL_EXPORT_DIR:
        yield parquet_feed(Path(settings.CALL_EXPORT_DIR).resolve())
    if settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT:
        yield otlp_feed(settings.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT)


def _oldest_after(sent_to: int) -> datetime | None:
    """Calls leave in the order in which they were stored, which is nearly that in which they were made."""
    return Call.objects.filter(pk__gt=sent_to).order_by("pk").values_list("at", flat=True).first()
