"""Issues of an API: the list, one of them with its discussion, and what people do there."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Count
from django.forms import Form
from django.http import FileResponse, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from feedback import issues
from feedback.issues import IssueError
from feedback.models import Comment, Issue, is_publisher
from portal.access import api_with_issues_or_404, issue_or_404, own_comment_or_404, own_issue_or_404
from portal.attachments import file_of
from portal.feedback_forms import CommentForm, EditCommentForm, EditIssueForm, IssueForm, StateForm
from portal.http import PageRequest, SignedInRequest
from portal.posting import posted_from
from portal.search_query import search_query
from portal.signing_in import sign_in_required
from portal.uploads import bounded_uploads

ISSUES_PER_PAGE = 25
COMMENTS_PER_PAGE = 100
State = Issue.State


@require_safe
@never_cache
def listed(request: PageRequest, api: str) -> HttpResponse:
    shown = api_with_issues_or_404(request.user, api)
    found = Issue.objects.visible_to(request.user).filter(api=shown).select_related("author")
    states = [state for state in State if state != State.REMOVED or is_publisher(request.user)]
    chosen, query = request.GET.get("state", ""), search_query(request)
    if chosen in states:
        found = found.filter(state=chosen)
    if query:
        found = found.search(query)
    found = found.annotate(comment_count=Count("comments")).order_by("-pk")
    context = {
        "api": shown,
        "page": Paginator(found, ISSUES_PER_PAGE).get_page(request.GET.get("page")),
        "states": states,
        "chosen": chosen if chosen in states else "",
        "query": query,
    }
    return render(request, "portal/feedback/issues.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@bounded_uploads
@never_cache
def open_issue(request: SignedInRequest, api: str) -> HttpResponse:
    about = api_with_issues_or_404(request.user, api)
    form = IssueForm(request.POST, request.FILES) if request.method == "POST" else IssueForm()
    if request.method == "POST" and form.is_valid():
        try:
            opened = issues.open_issue(
                api=about,
                by=request.user,
                title=form.cleaned_data["title"],
                description=form.cleaned_data["description"],
                uploads=form.cleaned_data["attachments"],
            )
        except IssueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _told(opened))
            return redirect("portal:issue", api, opened.pk)
    return render(request, "portal/feedback/open.html", {"api": about, "form": form})


def _told(opened: Issue) -> str:
    if opened.state == State.PROPOSED:
        return _("The issue is sent. Others see it once the publisher has opened it.")
    return _("The issue is open. You get a mail when somebody comments.")


@require_safe
@never_cache
def issue(request: PageRequest, api: str, issue_id: int) -> HttpResponse:
    return _issue_page(request, issue_or_404(request.user, api, issue_id), CommentForm())


def _issue_page(request: PageRequest, shown: Issue, form: Form) -> HttpResponse:
    comments = shown.comments.select_related("author").prefetch_related("attachments")
    user = request.user
    context = {
        "api": shown.api,
        "issue": shown,
        "page": Paginator(comments, COMMENTS_PER_PAGE).get_page(request.GET.get("page")),
        "attachments": shown.attachments.filter(comment=None),
        "form": form,
        "steps": issues.steps_of(shown, user),
        "may_remove": is_publisher(user),
        "is_talking": shown.state in issues.TALKING,
        "follows": user.is_authenticated and shown.follows.filter(user=user).exists(),
    }
    return render(request, "portal/feedback/issue.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@bounded_uploads
def comment(request: SignedInRequest, api: str, issue_id: int) -> HttpResponse:
    about = issue_or_404(request.user, api, issue_id)
    if request.method != "POST":
        return redirect("portal:issue", api, issue_id)
    form = CommentForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            text, uploads = form.cleaned_data["text"], form.cleaned_data["attachments"]
            written = issues.comment(about, by=request.user, text=text, uploads=uploads)
        except IssueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The comment is there."))
            last_page = -(-about.comments.count() // COMMENTS_PER_PAGE)
            return redirect(f"{reverse('portal:issue', args=[api, issue_id])}?page={last_page}#comment-{written.pk}")
    return _issue_page(request, about, form)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def edit(request: SignedInRequest, api: str, issue_id: int) -> HttpResponse:
    edited = own_issue_or_404(request.user, api, issue_id)
    form = EditIssueForm(request.POST or None, initial={"title": edited.title, "description": edited.description})
    if request.method == "POST" and form.is_valid():
        try:
            issues.edit_issue(edited, by=request.user, **form.cleaned_data)
        except IssueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The issue is changed."))
            return redirect("portal:issue", api, issue_id)
    return _edit_page(request, edited, form, _("Edit the issue"))


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def edit_comment(request: SignedInRequest, api: str, issue_id: int, comment_id: int) -> HttpResponse:
    edited = own_comment_or_404(request.user, api, issue_id, comment_id)
    form = EditCommentForm(request.POST or None, initial={"text": edited.text})
    if request.method == "POST" and form.is_valid():
        try:
            issues.edit_comment(edited, by=request.user, text=form.cleaned_data["text"])
        except IssueError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, _("The comment is changed."))
            return redirect("portal:issue", api, issue_id)
    return _edit_page(request, edited.issue, form, _("Edit the comment"))


def _edit_page(request: SignedInRequest, edited: Issue, form: Form, heading: str) -> HttpResponse:
    context = {"api": edited.api, "issue": edited, "form": form, "heading": heading}
    return render(request, "portal/feedback/edit.html", context)


@posted_from("portal:issue")
@sign_in_required
def change_state(request: SignedInRequest, api: str, issue_id: int) -> HttpResponse:
    changed = issue_or_404(request.user, api, issue_id)
    form = StateForm(request.POST)
    if not issues.steps_of(changed, request.user):
        raise PermissionDenied
    if not form.is_valid():
        messages.error(request, _("Choose a state that the issue can get into."))
        return redirect("portal:issue", api, issue_id)
    try:
        row = issues.change_state(changed, form.cleaned_data["state"], by=request.user)
    except IssueError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The issue is in the state “%(state)s” now.") % {"state": row.get_state_display()})
    return redirect("portal:issue", api, issue_id)


@posted_from("portal:issue")
@sign_in_required
def follow(request: SignedInRequest, api: str, issue_id: int) -> HttpResponse:
    followed = issue_or_404(request.user, api, issue_id)
    if request.POST.get("follow") == "no":
        issues.unfollow(followed, request.user)
        messages.success(request, _("You get no more mails about this issue."))
    else:
        issues.follow(followed, request.user)
        messages.success(request, _("You get a mail when somebody comments."))
    return redirect("portal:issue", api, issue_id)


@require_http_methods(["GET", "HEAD", "POST"])
@sign_in_required
@never_cache
def remove_comment(request: SignedInRequest, api: str, issue_id: int, comment_id: int) -> HttpResponse:
    """By the publisher: spam, and what should not have been written, such as a key."""
    about = issue_or_404(request.user, api, issue_id)
    if not is_publisher(request.user):
        raise PermissionDenied
    removed = get_object_or_404(Comment, issue=about, pk=comment_id)
    if request.method != "POST":
        context = {"api": about.api, "issue": about, "comment": removed}
        return render(request, "portal/feedback/remove_comment.html", context)
    issues.remove_comment(removed)
    messages.success(request, _("The comment is removed."))
    return redirect("portal:issue", api, issue_id)


@require_safe
@never_cache
def attachment(request: PageRequest, api: str, issue_id: int, attachment_id: UUID) -> FileResponse:
    shown = issue_or_404(request.user, api, issue_id)
    return file_of(get_object_or_404(shown.attachments, pk=attachment_id))
