"""The steps that an administrator takes with subscriptions: approve, reject, suspend, activate, cancel.

From the list and from the page of one subscription, through the same question and the lifecycle's own rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext_lazy, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from portal.administration.model_admin import ModelAdmin
from subscriptions import lifecycle
from subscriptions.models import Subscription

State = Subscription.State
MAX_ROWS = 1000
SHOWN_REFUSALS = 20


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    label: Promise
    question: Promise
    result: Promise
    to: State
    origins: frozenset[State]


STEPS = {
    step.name: step
    for step in (
        Step(
            "approve",
            _("Approve"),
            ngettext_lazy("Approve this subscription?", "Approve %(count)s subscriptions?", "count"),
            ngettext_lazy("%(count)s subscription is now active.", "%(count)s subscriptions are now active.", "count"),
            State.ACTIVE,
            frozenset({State.SUBMITTED}),
        ),
        Step(
            "reject",
            _("Reject"),
            ngettext_lazy("Reject this subscription?", "Reject %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now rejected.", "%(count)s subscriptions are now rejected.", "count"
            ),
            State.REJECTED,
            frozenset({State.SUBMITTED}),
        ),
        Step(
            "suspend",
            _("Suspend"),
            ngettext_lazy("Suspend this subscription?", "Suspend %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now suspended.", "%(count)s subscriptions are now suspended.", "count"
            ),
            State.SUSPENDED,
            frozenset({State.ACTIVE}),
        ),
        Step(
            "activate",
            _("Activate"),
            ngettext_lazy("Activate this subscription?", "Activate %(count)s subscriptions?", "count"),
            ngettext_lazy("%(count)s subscription is now active.", "%(count)s subscriptions are now active.", "count"),
            State.ACTIVE,
            frozenset({State.SUSPENDED}),
        ),
        Step(
            "cancel",
            pgettext_lazy("a subscription", "Cancel"),
            ngettext_lazy("Cancel this subscription?", "Cancel %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now cancelled.", "%(count)s subscriptions are now cancelled.", "count"
            ),
            State.CANCELLED,
            frozenset({State.SUBMITTED, State.ACTIVE, State.SUSPENDED}),
        ),
    )
}


class StepForm(forms.Form):
    comment = forms.CharField(
        required=False,
        max_length=4000,
        help_text=_("The owner of the subscription can read it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


def offered(subscription: Subscription) -> list[Step]:
    return [step for step in STEPS.values() if subscription.state in step.origins]


def list_action(name: str) -> Callable[[ModelAdmin, HttpRequest, QuerySet[Subscription]], HttpResponse | None]:
    """The step as an action of the list."""

    def action(model_admin: ModelAdmin, request: HttpRequest, chosen: QuerySet[Subscription]) -> HttpResponse | None:
        rows = list(chosen[: MAX_ROWS + 1])
        if len(rows) > MAX_ROWS:
            messages.error(request, gettext("Choose at most %(limit)s subscriptions at a time.") % {"limit": MAX_ROWS})
            return None
        return _ask(request, model_admin, STEPS[name], rows, StepForm())

    action.__name__ = name
    action.short_description = STEPS[name].label  # type: ignore[attr-defined]
    action.allowed_permissions = ["change"]  # type: ignore[attr-defined]
    return action


def step_view(request: HttpRequest, *, name: str, model_admin: ModelAdmin) -> HttpResponse:
    """Ask about the subscriptions that `id` names, or take the step with them."""
    step = STEPS.get(name)
    if step is None:
        raise Http404
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    is_taken = request.method == "POST"
    ids = _ids((request.POST if is_taken else request.GET).getlist("id"))
    rows = list(Subscription.objects.select_related("owner", "team", "product", "api").filter(pk__in=ids))
    form = StepForm(request.POST if is_taken else None)
    if not rows:
        messages.error(request, gettext("Choose a subscription first."))
        return redirect("admin:subscriptions_subscription_changelist")
    if not form.is_valid():
        return _ask(request, model_admin, step, rows, form)
    take(request, step, rows, form.cleaned_data["comment"])
    if len(rows) == 1:
        return redirect("admin:subscriptions_subscription_change", rows[0].pk)
    return redirect("admin:subscriptions_subscription_changelist")


def _ids(texts: Sequence[str]) -> list[UUID]:
    try:
        return [UUID(text) for text in texts[:MAX_ROWS]]
    except ValueError as error:
        raise Http404 from error


def _ask(
    request: HttpRequest, model_admin: ModelAdmin, step: Step, rows: Sequence[Subscription], form: StepForm
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": step.question % {"count": len(rows)},
        "opts": model_admin.opts,
        "step": step,
        "rows": rows,
        "out_of_place": sum(1 for row in rows if row.state not in step.origins),
        "form": form,
    }
    return render(request, "admin/subscriptions/subscription/step.html", context)


def take(request: HttpRequest, step: Step, rows: Sequence[Subscription], comment: str) -> None:
    """Take the step with each and tell what became of it; one that refuses does not stop the others."""
    done, refusals = 0, []
    for row in rows:
        try:
            # Approval and activation lead to the same state, so the lifecycle alone would let one do the other's work.
            if row.state not in step.origins:
                raise lifecycle.WrongState(row, step.to)
            lifecycle.change_state(row, step.to, by=administrator(request), comment=comment)
            done += 1
        except lifecycle.LifecycleError as error:
            refusals.append(f"{row.display_name}: {error}")
    if done:
        messages.success(request, step.result % {"count": done})
    tell_refusals(request, refusals)


def tell_refusals(request: HttpRequest, refusals: Sequence[str]) -> None:
    for refusal in refusals[:SHOWN_REFUSALS]:
        messages.error(request, refusal)
    if len(refusals) > SHOWN_REFUSALS:
        messages.error(
            request,
            gettext("%(count)s more were left as they are.") % {"count": len(refusals) - SHOWN_REFUSALS},
        )


def administrator(request: HttpRequest) -> User:
    """Who is asking; the admin has let nobody else in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
