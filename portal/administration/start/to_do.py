"""What waits for an administrator or does not work, the worst first, of what he may see."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timesince import timesince, timeuntil
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from alerts.models import AlertRule
from analytics import quotas
from analytics.feeds.progress import all_feeds
from analytics.lag import LATE_SECONDS, ingest_lag
from backends.certificates import facts
from backends.credentials import credentials_of
from backends.models import Backend
from events.models import Event
from gateway.configuration.sealed import SealedError
from notifications import alert_words
from notifications.models import OutboxMail
from portal.administration.counting import bounded_count, in_words
from portal.administration.start import gateway
from portal.administration.start.work import WORKS, standstills
from publisher.models import Revision
from subscriptions.models import Subscription, SubscriptionKey
from webhooks.models import Endpoint

SHOWN_ROWS = 5
SOON = timedelta(days=14)
# A certificate takes longer to get than a subscription to prolong.
CERTIFICATE_ENDS_SOON = timedelta(days=30)
CERTIFICATES_KEPT_SECONDS = 60
# A key that was replaced and called within this time is one that somebody has not changed yet.
STILL_USED = timedelta(days=1)

MayDo = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """One of those that an item is about; `step` is what can be done at once: its name and its page."""

    name: str
    url: str
    about: Sequence[str]
    step: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """`tone` is "bad", "warn" or nothing; `url` leads to the list of them all."""

    icon: str
    text: str
    tone: str = ""
    url: str = ""
    advice: str = ""
    rows: Sequence[Row] = ()


def to_do(may: MayDo, now: datetime, set_up: datetime) -> list[Item]:
    """What a person with these permissions finds on the start page of a service that was set up then."""
    return [item for permission, find in _SOURCES if may(permission) for item in find(may, now)] + [
        *_standing_still(may, now, set_up)
    ]


def _gateway(may: MayDo, now: datetime) -> Iterator[Item]:
    status = gateway.status()
    revision = Revision.objects.values_list("number", flat=True).first()
    if not status.answers:
        advice = _("Look at its log, and whether its process runs.")
        if status.code:
            advice = _("It answered %(status)s.") % {"status": status.code}
        yield Item("error", _("The gateway does not answer."), "bad", advice=advice)
    elif status.revision is not None and revision is not None and status.revision != revision:
        text = _("The gateway serves revision %(served)s; the database is at %(revision)s.")
        yield Item(
            "sync_problem",
            text % {"served": status.revision, "revision": revision},
            "warn",
            advice=_("If this stays, look at the publisher's log."),
        )


def _standing_still(may: MayDo, now: datetime, set_up: datetime) -> Iterator[Item]:
    for standstill in standstills([work for work in WORKS if may(work.permission)], now, set_up):
        process = {"process": standstill.work.process}
        how_long = _("The process “%(process)s” has never done this.") % process
        if standstill.since:
            text = _("The process “%(process)s” has not done this for %(since)s.")
            how_long = text % {**process, "since": timesince(standstill.since, now)}
        advice = f"{how_long} {_('Look at its log, and whether its process runs.')}"
        yield Item("error", str(standstill.work.consequence), "bad", advice=advice)


def _lag(may: MayDo, now: datetime) -> Iterator[Item]:
    """Calls that the pages of usage do not show yet."""
    lag = ingest_lag()
    if lag is not None and lag.oldest is not None and lag.seconds(now) > LATE_SECONDS:
        text = _("The oldest call that is not counted yet was made %(time)s ago.") % {
            "time": timesince(lag.oldest, now)
        }
        url = reverse("admin:analytics_journalpart_changelist")
        yield Item("hourglass_bottom", text, "warn", url, _("Look whether the worker runs, and into its log."))


def _feeds(may: MayDo, now: datetime) -> Iterator[Item]:
    """Calls that have not left for another system, while there is time to see to it."""
    for one in all_feeds():
        if one.oldest is not None and one.is_late(now):
            text = _("%(feed)s: the oldest call that has not left was made %(time)s ago.") % {
                "feed": one.name,
                "time": timesince(one.oldest, now),
            }
            advice = ngettext(
                "Calls are deleted after %(days)d day, whether they have left or not.",
                "Calls are deleted after %(days)d days, whether they have left or not.",
                settings.RAW_CALL_DAYS,
            ) % {"days": settings.RAW_CALL_DAYS}
            url = reverse("admin:analytics_journalpart_changelist")
            yield Item("error", text, "bad", url, f"{advice} {one.feed.last_error}".strip())


def _mails(may: MayDo, now: datetime) -> Iterator[Item]:
    listed = reverse("admin:notifications_outboxmail_changelist")
    failed = bounded_count(OutboxMail.objects.filter(state=OutboxMail.State.FAILED))
    if failed:
        text = ngettext("%(count)s mail could not be sent.", "%(count)s mails could not be sent.", failed)
        advice = _("See why, then send again.")
        yield Item("mail_off", _counted(text, failed), "bad", f"{listed}?state__exact=failed", advice)
    delayed = bounded_count(OutboxMail.objects.filter(state=OutboxMail.State.WAITING).exclude(last_error=""))
    if delayed:
        text = ngettext("%(count)s mail could not be sent yet.", "%(count)s mails could not be sent yet.", delayed)
        advice = _("More attempts follow; see what stands in the way.")
        yield Item("schedule_send", _counted(text, delayed), "warn", f"{listed}?state__exact=waiting", advice)


def _events(may: MayDo, now: datetime) -> Iterator[Item]:
    untold = bounded_count(Event.objects.set_aside())
    if untold:
        text = ngettext("%(count)s event could not be told.", "%(count)s events could not be told.", untold)
        url = f"{reverse('admin:events_event_changelist')}?set_aside=yes"
        advice = _("Nobody has got its mails. See why, then tell again.")
        yield Item("bolt", _counted(text, untold), "bad", url, advice)


def _webhooks(may: MayDo, now: datetime) -> Iterator[Item]:
    failing = bounded_count(Endpoint.objects.filter(is_active=True, failing_since__isnull=False))
    if failing:
        text = ngettext("%(count)s webhook fails.", "%(count)s webhooks fail.", failing)
        url = reverse("admin:webhooks_endpoint_changelist")
        yield Item("webhook", _counted(text, failing), "bad", url, _("See what its receiver answers."))


def _requests(may: MayDo, now: datetime) -> Iterator[Item]:
    waiting = Subscription.objects.filter(state=Subscription.State.SUBMITTED)
    count = bounded_count(waiting)
    if not count:
        return
    text = ngettext("%(count)s request to approve", "%(count)s requests to approve", count)
    url = f"{reverse('admin:subscriptions_subscription_changelist')}?state__exact=submitted"
    step = reverse("admin:subscriptions_subscription_step", args=["approve"])
    may_approve = may("subscriptions.change_subscription")
    rows = [
        Row(
            one.display_name,
            _page_of(one),
            [_owner(one), one.scope_name, _ago(one.created_at, now)],
            (_("Approve"), f"{step}?id={one.pk}") if may_approve else None,
        )
        for one in waiting.select_related("owner", "team", "product", "api").order_by("created_at")[:SHOWN_ROWS]
    ]
    yield Item("key", _counted(text, count), url=url, rows=rows)


def _people(may: MayDo, now: datetime) -> Iterator[Item]:
    waiting = User.objects.filter(waiting_since__isnull=False)
    count = bounded_count(waiting)
    if not count:
        return
    text = ngettext("%(count)s person waits for approval", "%(count)s people wait for approval", count)
    url = f"{reverse('admin:accounts_user_changelist')}?state__exact=pending"
    step = reverse("admin:accounts_user_step", args=["approve"])
    may_approve = may("accounts.change_user")
    rows = [
        Row(
            str(one),
            reverse("admin:accounts_user_change", args=[one.pk]),
            [one.email, _ago(one.waiting_since, now)],
            (_("Approve"), f"{step}?id={one.pk}") if may_approve else None,
        )
        for one in waiting.order_by("waiting_since")[:SHOWN_ROWS]
    ]
    yield Item("person_add", _counted(text, count), url=url, rows=rows)


def _alerts(may: MayDo, now: datetime) -> Iterator[Item]:
    firing = AlertRule.objects.filter(is_enabled=True, state=AlertRule.State.FIRING)
    rows = [
        Row(
            rule.name,
            reverse("admin:alerts_alertrule_change", args=[rule.pk]),
            [alert_words.amount(rule.metric, rule.value), _ago(rule.state_since, now)],
        )
        for rule in firing.order_by("-state_since")[:SHOWN_ROWS]
    ]
    if rows:
        url = f"{reverse('admin:alerts_alertrule_changelist')}?state__exact={AlertRule.State.FIRING}"
        yield Item("notification_important", _("Alerts that fire"), "bad", url, rows=rows)


def _ending_subscriptions(may: MayDo, now: datetime) -> Iterator[Item]:
    """Active ones that end soon, the next ones first."""
    soon = Subscription.objects.filter(state=Subscription.State.ACTIVE, expires_at__range=(now, now + SOON))
    rows = [
        Row(one.display_name, _page_of(one), [_owner(one), one.scope_name, _in(one.expires_at, now)])
        for one in soon.select_related("owner", "team", "product", "api").order_by("expires_at")[:SHOWN_ROWS]
    ]
    if rows:
        url = f"{reverse('admin:subscriptions_subscription_changelist')}?expiry=soon"
        yield Item("event_busy", _("Subscriptions that end soon"), url=url, rows=rows)


def _quotas(may: MayDo, now: datetime) -> Iterator[Item]:
    """Subscriptions whose calls are refused soon, or are already."""
    found = quotas.rules()
    fullest = quotas.uses(found, Subscription.objects.all(), now, least=quotas.NEARLY)[:SHOWN_ROWS]
    rows = [
        Row(
            one.subscription.display_name,
            _page_of(one.subscription),
            [_owner(one.subscription), one.of, _how_much(one)],
        )
        for one in quotas.stands(fullest, found, now)
    ]
    if rows:
        advice = _("Past that their calls are refused.")
        url = f"{reverse('insights:quotas')}?level={quotas.NEARLY:.0f}"
        yield Item("data_usage", _("Quotas that are nearly used"), "warn", url, advice, rows)


def _how_much(stand: quotas.Stand) -> str:
    part = stand.fullest
    text = _("%(percent)s%% of %(quota)s calls") if part.unit == "calls" else _("%(percent)s%% of %(quota)s KB")
    return text % {"percent": part.percent, "quota": number_format(part.limit, force_grouping=True)}


def _ending_keys(may: MayDo, now: datetime) -> Iterator[Item]:
    """Keys that were replaced, work on for a while, and are still called with."""
    old = SubscriptionKey.objects.old().filter(ends_at__range=(now, now + SOON), last_used_at__gte=now - STILL_USED)
    with_names = old.select_related("subscription__owner", "subscription__team")
    rows = [
        Row(
            str(key),
            _page_of(key.subscription),
            [key.subscription.display_name, _owner(key.subscription), _in(key.ends_at, now)],
        )
        for key in with_names.order_by("ends_at")[:SHOWN_ROWS]
    ]
    if rows:
        advice = _("Somebody still calls with a key that was replaced.")
        yield Item("key_off", _("Old keys that end soon"), "warn", advice=advice, rows=rows)


def _certificates(may: MayDo, now: datetime) -> Iterator[Item]:
    rows = [
        Row(title, reverse("admin:backends_backend_change", args=[pk]), [_in(ends_at, now)])
        for ends_at, pk, title in _ends_of_certificates()
        if ends_at < now + CERTIFICATE_ENDS_SOON
    ]
    if rows:
        text = _("Certificates for backends that end soon")
        advice = _("From then on the backends refuse the gateway.")
        url = reverse("admin:backends_backend_changelist")
        yield Item("badge", text, "warn", url, advice, rows[:SHOWN_ROWS])


def _ends_of_certificates() -> list[tuple[datetime, int, str]]:
    """When the gateway's certificate for each backend ends, its id and title; kept, as each has to be unsealed."""
    known: list[tuple[datetime, int, str]] | None = cache.get("backend-certificates")
    if known is None:
        known = sorted(_read_certificates())
        cache.set("backend-certificates", known, CERTIFICATES_KEPT_SECONDS)
    return known


def _read_certificates() -> Iterator[tuple[datetime, int, str]]:
    for backend in Backend.objects.exclude(sealed=""):
        try:
            pem = credentials_of(backend).certificate_pem
        except SealedError:
            # The list of backends tells of it.
            continue
        if pem:
            yield facts(pem).ends_at, backend.pk, backend.title


_SOURCES: tuple[tuple[str, Callable[[MayDo, datetime], Iterator[Item]]], ...] = (
    ("apis.view_api", _gateway),
    ("analytics.view_call", _lag),
    ("analytics.view_call", _feeds),
    ("alerts.view_alertrule", _alerts),
    ("notifications.view_outboxmail", _mails),
    ("events.view_event", _events),
    ("webhooks.view_endpoint", _webhooks),
    ("subscriptions.view_subscription", _requests),
    ("accounts.view_user", _people),
    ("subscriptions.view_subscription", _ending_subscriptions),
    ("subscriptions.view_subscription", _ending_keys),
    ("subscriptions.view_subscription", _quotas),
    ("backends.view_backend", _certificates),
)


def _counted(text: str, count: int) -> str:
    return text % {"count": in_words(count)}


def _page_of(subscription: Subscription) -> str:
    return reverse("admin:subscriptions_subscription_change", args=[subscription.pk])


def _owner(subscription: Subscription) -> str:
    return subscription.owner_name or _("No owner")


def _ago(moment: Any, now: datetime) -> str:
    return _("%(time)s ago") % {"time": timesince(moment, now)}


def _in(moment: Any, now: datetime) -> str:
    if moment <= now:
        return _("ended")
    return _("in %(time)s") % {"time": timeuntil(moment, now)}
