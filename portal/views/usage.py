"""A developer's own use: how much he has called, how that went, and what is left of his limits."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from analytics.charts.time_axis import slots
from analytics.charts.usage import calls_chart
from analytics.limits import standing_of
from analytics.period_words import latest_in_words
from analytics.picker import menu, moments
from analytics.reports.totals import by_bucket
from portal.http import SignedInRequest
from portal.limit_lines import limits_in_words
from portal.signing_in import sign_in_required
from portal.usage import failed
from portal.usage.asked import Asked
from portal.usage.by_key import by_key
from portal.usage.deprecated import deprecated_calls
from portal.usage.own import Own
from portal.usage.summary import selection_of, summary_of
from portal.usage.tables import failure_rows, figures, tables


@require_safe
@sign_in_required
@never_cache
def usage(request: SignedInRequest) -> HttpResponse:
    asked = Asked.of(request.GET, Own.of(request.user))
    now, choice = timezone.now(), asked.choice
    selection = selection_of([one.pk for one in asked.subscriptions], choice.span)
    summary = summary_of(selection)
    bars = slots(choice.buckets, choice.step, choice.zone, now, lambda span: asked.failed_url(moments(span)))
    live = [one for one in asked.subscriptions if one.is_live]
    limits = limits_in_words(standing_of(live, now))
    census = failed.census(asked.all_failed)
    context = {
        "asked": asked,
        "picker": menu(choice, asked.of_subscription),
        "figures": figures(summary),
        "chart": calls_chart(by_bucket(selection, choice.buckets), bars),
        "deprecated": deprecated_calls(request.user, asked.own, summary),
        "tables": tables(request.user, asked, summary),
        "failures": failure_rows(asked, census.failures),
        "failures_counted": latest_in_words(failed.COUNTED, census.since) if census.since is not None else "",
        "failed_url": asked.failed_url(),
        "by_key": by_key(asked, summary.all.calls),
        "kept_days": settings.RAW_CALL_DAYS,
        "is_cut": choice.span.start < failed.kept_since(now),
        "limits": [(one, limits[one.pk]) for one in live if limits[one.pk].lines],
    }
    return render(request, "portal/usage/usage.html", context)
