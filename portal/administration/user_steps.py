"""The steps that an administrator takes with users: approve, reject, block, activate.

From the list and from the page of one user, through the same question and the operations' own rules.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from accounts.user_states import UserStateError, WrongUserState, change_state
from portal.administration.model_admin import ModelAdmin, may_be_id
from portal.administration.steps import MAX_ROWS, administrator, tell_refusals

State = User.State


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    label: str | Promise
    origin: State
    to: State
    hint: str | Promise

    def fits(self, user: User) -> bool:
        return user.state == self.origin


STEPS = {
    step.name: step
    for step in (
        Step(
            "approve",
            gettext_lazy("Approve"),
            State.PENDING,
            State.ACTIVE,
            gettext_lazy("Who has waited can sign in, and is told so by e-mail."),
        ),
        Step(
            "reject",
            gettext_lazy("Reject"),
            State.PENDING,
            State.BLOCKED,
            gettext_lazy("The account stays, blocked, so that the decision can be taken back."),
        ),
        Step(
            "block",
            gettext_lazy("Block"),
            State.ACTIVE,
            State.BLOCKED,
            gettext_lazy(
                "Who is blocked is signed out at once, cannot sign in, and his keys stop working within a second. "
                "Subscriptions of his teams go on."
            ),
        ),
        Step(
            "activate",
            gettext_lazy("Activate"),
            State.BLOCKED,
            State.ACTIVE,
            gettext_lazy("Who is active can sign in, and his keys work."),
        ),
    )
}


class StepForm(forms.Form):
    comment = forms.CharField(
        label=gettext_lazy("Comment"),
        required=False,
        max_length=4000,
        help_text=gettext_lazy("Kept in the history of the account. Who has waited for approval is told it."),
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
    )


def offered(user: User) -> list[Step]:
    return [step for step in STEPS.values() if step.fits(user)]


def list_action(name: str) -> Callable[[ModelAdmin, HttpRequest, QuerySet[User]], HttpResponse | None]:
    """The step as an action of the list."""

    def action(model_admin: ModelAdmin, request: HttpRequest, chosen: QuerySet[User]) -> HttpResponse | None:
        rows = list(chosen[: MAX_ROWS + 1])
        if len(rows) > MAX_ROWS:
            messages.error(request, _("Choose at most %(count)d users at a time.") % {"count": MAX_ROWS})
            return None
        return _ask(request, model_admin, STEPS[name], rows, StepForm())

    action.__name__ = name
    action.short_description = STEPS[name].label  # type: ignore[attr-defined]
    action.allowed_permissions = ["change"]  # type: ignore[attr-defined]
    return action


def step_view(request: HttpRequest, *, name: str, model_admin: ModelAdmin) -> HttpResponse:
    """Ask about the users that `id` names, or take the step with them."""
    step = STEPS.get(name)
    if step is None:
        raise Http404
    is_taken = request.method == "POST"
    ids = (request.POST if is_taken else request.GET).getlist("id")[:MAX_ROWS]
    if not all(may_be_id(User, one) for one in ids):
        raise Http404
    rows = list(User.objects.filter(pk__in=ids).order_by("email"))
    if not model_admin.has_change_permission(request):
        raise PermissionDenied
    if not all(model_admin.has_change_permission(request, row) for row in rows):
        raise PermissionDenied
    form = StepForm(request.POST if is_taken else None)
    if not rows:
        messages.error(request, _("Choose a user first."))
        return redirect("admin:accounts_user_changelist")
    if not form.is_valid():
        return _ask(request, model_admin, step, rows, form)
    _take(request, step, rows, form.cleaned_data["comment"])
    if len(rows) == 1:
        return redirect("admin:accounts_user_change", rows[0].pk)
    return redirect("admin:accounts_user_changelist")


def _ask(
    request: HttpRequest, model_admin: ModelAdmin, step: Step, rows: Sequence[User], form: StepForm
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "title": _("%(step)s: %(users)s") % {"step": step.label, "users": _in_words(rows)},
        "opts": model_admin.opts,
        "step": step,
        "rows": rows,
        "out_of_place": sum(not step.fits(row) for row in rows),
        "form": form,
    }
    return render(request, "admin/accounts/user/step.html", context)


def _in_words(rows: Sequence[User]) -> str:
    if len(rows) == 1:
        return rows[0].email
    return ngettext("%(count)d user", "%(count)d users", len(rows)) % {"count": len(rows)}


def _take(request: HttpRequest, step: Step, rows: Sequence[User], comment: str) -> None:
    """Take the step with each and tell what became of it; one that refuses does not stop the others."""
    done, refusals = [], []
    for row in rows:
        try:
            # Approval and activation lead to the same state, so the operation alone would let one do the other's work.
            if not step.fits(row):
                raise WrongUserState(row, step.to)
            done.append(change_state(row, step.to, by=administrator(request), comment=comment))
        except UserStateError as error:
            refusals.append(f"{row.email}: {error}")
    if done:
        messages.success(request, _("%(users)s: %(state)s") % {"users": _in_words(done), "state": step.to.label})
    tell_refusals(request, refusals)
