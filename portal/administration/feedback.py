"""The pages of issues: what developers report, answered and brought on by the operations that the portal uses."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from feedback import issues
from feedback.models import LONGEST_TEXT, Attachment, Comment, Issue
from portal.administration.labels import label_column
from portal.administration.model_admin import AutocompleteFilter, ModelAdmin
from portal.administration.people import ReadOnlyInline
from portal.administration.steps import administrator, tell_refusals
from portal.attachments import file_of

State = Issue.State
STATE_COLOURS = {
    State.PROPOSED: "warning",
    State.OPEN: "success",
    State.REMOVED: "danger",
    State.RESOLVED: "info",
    State.CLOSED: "secondary",
}


class AnswerForm(forms.ModelForm):  # type: ignore[type-arg]
    """What the publisher says and does about an issue; its own words stay the developer's."""

    answer = forms.CharField(
        label=_("Answer"),
        required=False,
        max_length=LONGEST_TEXT,
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
        help_text=_("Markdown. A comment that everybody sees who sees the issue."),
    )
    step = forms.ChoiceField(label=_("New state"), required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "step" in self.fields:
            steps = issues.PUBLISHER[self.instance.state]
            self.fields["step"].choices = [("", _("As it is")), *((step, step.label) for step in steps)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("answer") and self.instance.state not in issues.TALKING and data.get("step") not in issues.TALKING:
            self.add_error("answer", _("Open the issue to answer it."))
        return data


class CommentInline(ReadOnlyInline):
    model = Comment
    fields = readonly_fields = ["shown_author", "text", "created_at", "edited_at"]
    can_delete = True
    verbose_name_plural = _("comments")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Comment]:
        comments: QuerySet[Comment] = super().get_queryset(request)
        return comments.select_related("author")

    @admin.display(description=_("author"))
    def shown_author(self, comment: Comment) -> str:
        return f"{comment.author} ({_('publisher')})" if comment.by_publisher else str(comment.author)


class AttachmentInline(ReadOnlyInline):
    model = Attachment
    fields = readonly_fields = ["file", "content_format", "size", "created_at"]
    can_delete = True
    verbose_name_plural = _("attachments")

    @admin.display(description=_("file name"))
    def file(self, attachment: Attachment) -> SafeString:
        return format_html(
            '<a class="text-link" href="{}">{}</a>',
            reverse("admin:feedback_attachment_file", args=[attachment.pk]),
            attachment.title,
        )


def file_view(request: HttpRequest, *, pk: UUID, model_admin: ModelAdmin) -> FileResponse:
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return file_of(get_object_or_404(Attachment, pk=pk))


def _step_action(to: State, label: Promise) -> Callable[["IssueAdmin", HttpRequest, QuerySet[Issue]], None]:
    """Bringing many issues into a state, as an action of the list; one that refuses does not stop the others."""

    def action(model_admin: "IssueAdmin", request: HttpRequest, chosen: QuerySet[Issue]) -> None:
        done, refusals = 0, []
        for issue in chosen:
            try:
                issues.change_state(issue, to, by=administrator(request))
                done += 1
            except issues.IssueError as error:
                refusals.append(f"{issue.title}: {error}")
        if done:
            text = ngettext("%(count)s issue is now: %(state)s.", "%(count)s issues are now: %(state)s.", done)
            messages.success(request, text % {"count": done, "state": to.label})
        tell_refusals(request, refusals)

    action.__name__ = f"to_{to.value}"
    action.short_description = label  # type: ignore[attr-defined]
    action.allowed_permissions = ["change"]  # type: ignore[attr-defined]
    return action


@admin.register(Issue)
class IssueAdmin(ModelAdmin):
    form = AnswerForm
    list_display = ["title", "api", "shown_author", "shown_state", "comment_count", "created_at"]
    list_filter = ["state", ("api", AutocompleteFilter), "created_at"]
    list_filter_submit = True
    list_select_related = ["api", "author"]
    search_fields = ["title", "description", "author__email"]
    search_help_text = _("Title, description, or the author's e-mail address")
    list_per_page = 50
    show_full_result_count = False
    readonly_fields = ["title", "api", "shown_author", "state", "created_at", "edited_at", "shown_description"]
    fieldsets = [
        (None, {"fields": readonly_fields}),
        (_("Answer"), {"fields": ["answer", "step"]}),
    ]
    inlines = [CommentInline, AttachmentInline]
    actions = [
        _step_action(State.OPEN, pgettext_lazy("to do", "Open")),
        _step_action(State.RESOLVED, _("Mark as resolved")),
        _step_action(State.CLOSED, _("Close")),
        _step_action(State.REMOVED, _("Remove from the portal")),
    ]
    change_form_outer_before_template = "admin/feedback/issue/_links.html"
    custom_urls = [("attachments/<uuid:pk>/", "feedback_attachment_file", file_view)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Issue]:
        found: QuerySet[Issue] = super().get_queryset(request)
        return found.annotate(comments_count=Count("comments"))

    def get_fieldsets(self, request: HttpRequest, obj: Issue | None = None) -> Any:
        """Who may look only answers nothing."""
        return self.fieldsets if self.has_change_permission(request, obj) else self.fieldsets[:1]

    @admin.display(description=_("author"), ordering="author__email")
    def shown_author(self, issue: Issue) -> SafeString:
        url = reverse("admin:accounts_user_change", args=[issue.author_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, issue.author)

    @label_column(_("state"), ordering="state", colours=STATE_COLOURS)
    def shown_state(self, issue: Issue) -> tuple[str, str]:
        return issue.state, issue.get_state_display()

    @admin.display(description=_("comments"), ordering="comments_count")
    def comment_count(self, issue: Any) -> int:
        return int(issue.comments_count)

    @admin.display(description=_("description"))
    def shown_description(self, issue: Issue) -> SafeString:
        return render_to_string("admin/feedback/issue/_description.html", {"text": issue.description})

    def save_model(self, request: HttpRequest, obj: Issue, form: Any, change: bool) -> None:
        """Nothing of the issue itself is written: it is answered, and then brought on."""
        by, step, answer = administrator(request), form.cleaned_data["step"], form.cleaned_data["answer"]
        # A closed issue has to be open for an answer.
        opens_first = obj.state not in issues.TALKING
        try:
            if step and opens_first:
                issues.change_state(obj, State(step), by=by)
            if answer:
                issues.comment(obj, by=by, text=answer)
            if step and not opens_first:
                issues.change_state(obj, State(step), by=by)
        except issues.IssueError as error:
            messages.error(request, str(error))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Comments and attachments are removed here, with their files, and not changed."""
        formset.save(commit=False)
        for row in formset.deleted_objects:
            if isinstance(row, Comment):
                issues.remove_comment(row)
            elif Attachment.objects.filter(pk=row.pk).exists():
                issues.remove_attachment(row)

    def delete_model(self, request: HttpRequest, obj: Issue) -> None:
        issues.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Issue]) -> None:
        for issue in queryset:
            issues.delete(issue)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
