"""Steps that an administrator takes with rows that have states, such as to approve, to block or to cancel them.

From the list and from the page of one row, through the same question and the operation's own rules.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.models import User
from portal.administration.model_admin import ModelAdmin, may_be_id

MAX_ROWS = 1000
SHOWN_REFUSALS = 20

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Step:
    """Leads rows in one of the states `origins` to the state `to`; `question` and `result` are of so many rows."""

    name: str
    label: str | Promise
    question: Promise
    result: Promise
    to: Any
    origins: frozenset[Any]
    hint: str | Promise = ""

    def fits(self, row: Any) -> bool:
        return row.state in self.origins


@dataclass(frozen=True, slots=True)
class Steps(Generic[Row]):
    """The steps of one model. `columns` are what the question shows of each row, its name first.

    `change` is the operation, which raises `refusal`; `wrong_state` makes one for a row that a step does not fit.
    """

    rows: QuerySet[Row]
    steps: Mapping[str, Step]
    columns: Sequence[tuple[str | Promise, Callable[[Row], str]]]
    change: Callable[..., Row]
    refusal: type[Exception]
    wrong_state: Callable[[Row, Any], Exception]
    comment_help: str | Promise

    def offered(self, row: Row) -> list[Step]:
        return [step for step in self.steps.values() if step.fits(row)]

    def list_actions(self) -> list[Callable[[ModelAdmin, HttpRequest, QuerySet[Row]], HttpResponse | None]]:
        """The steps as actions of the list."""
        return [self._list_action(step) for step in self.steps.values()]

    def view(self, request: HttpRequest, *, name: str, model_admin: ModelAdmin) -> HttpResponse:
        """Ask about the rows that `id` names, or take the step with them."""
        step = self.steps.get(name)
        if step is None:
            raise Http404
        if not model_admin.has_change_permission(request):
            raise PermissionDenied
        is_taken = request.method == "POST"
        rows = self._chosen((request.POST if is_taken else request.GET).getlist("id")[:MAX_ROWS])
        if not all(model_admin.has_change_permission(request, row) for row in rows):
            raise PermissionDenied
        form = self._form(request.POST if is_taken else None)
        if not rows:
            messages.error(request, gettext("Choose a row first."))
            return redirect(_url_name(self.rows.model, "changelist"))
        if not form.is_valid():
            return self._ask(request, model_admin, step, rows, form)
        self._take(request, step, rows, form.cleaned_data["comment"])
        if len(rows) == 1:
            return redirect(_url_name(self.rows.model, "change"), rows[0].pk)
        return redirect(_url_name(self.rows.model, "changelist"))

    def _list_action(self, step: Step) -> Callable[[ModelAdmin, HttpRequest, QuerySet[Row]], HttpResponse | None]:
        def action(model_admin: ModelAdmin, request: HttpRequest, chosen: QuerySet[Row]) -> HttpResponse | None:
            rows = list(chosen[: MAX_ROWS + 1])
            if len(rows) > MAX_ROWS:
                messages.error(request, gettext("Choose at most %(limit)s rows at a time.") % {"limit": MAX_ROWS})
                return None
            return self._ask(request, model_admin, step, rows, self._form(None))

        action.__name__ = step.name
        action.short_description = step.label  # type: ignore[attr-defined]
        action.allowed_permissions = ["change"]  # type: ignore[attr-defined]
        return action

    def _chosen(self, ids: Sequence[str]) -> list[Row]:
        if not all(may_be_id(self.rows.model, one) for one in ids):
            raise Http404
        return list(self.rows.filter(pk__in=ids))

    def _form(self, data: Any) -> "StepForm":
        form = StepForm(data)
        form.fields["comment"].help_text = str(self.comment_help)
        return form

    def _ask(
        self, request: HttpRequest, model_admin: ModelAdmin, step: Step, rows: Sequence[Row], form: "StepForm"
    ) -> HttpResponse:
        context: dict[str, Any] = {
            **model_admin.admin_site.each_context(request),
            "title": step.question % {"count": len(rows)},
            "opts": model_admin.opts,
            "step": step,
            "answer": step.label,
            "action": reverse(_url_name(self.rows.model, "step"), args=[step.name]),
            "columns": [title for title, _cell in self.columns],
            "rows": [(row.pk, [cell(row) for _title, cell in self.columns]) for row in rows],
            "out_of_place": sum(not step.fits(row) for row in rows),
            "form": form,
            "back": {"url": reverse(_url_name(self.rows.model, "changelist")), "text": gettext("Back to the list")},
        }
        return render(request, "admin/step.html", context)

    def _take(self, request: HttpRequest, step: Step, rows: Sequence[Row], comment: str) -> None:
        """Take the step with each and tell what became of it; one that refuses does not stop the others."""
        done, refusals = 0, []
        name_of = self.columns[0][1]
        for row in rows:
            try:
                # Two steps may lead to the same state, so the operation alone would let one do the other's work.
                if not step.fits(row):
                    raise self.wrong_state(row, step.to)
                self.change(row, step.to, by=administrator(request), comment=comment)
                done += 1
            except self.refusal as error:
                refusals.append(f"{name_of(row)}: {error}")
        if done:
            messages.success(request, step.result % {"count": done})
        tell_refusals(request, refusals)


class StepForm(forms.Form):
    comment = forms.CharField(
        label=_("Comment"), required=False, max_length=4000, widget=UnfoldAdminTextareaWidget({"rows": 3})
    )


def _url_name(model: type[Model], page: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"


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
