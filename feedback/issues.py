"""What happens to issues: somebody opens one, people comment, its author and the publisher bring it on.

Portal and administration call these; each change is an event in the same transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Manager, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User, Viewer
from apis.models import API
from events import names
from events.recording import record
from feedback import attachments
from feedback.attachments import StoredFile, Upload
from feedback.models import Attachment, Comment, Follow, Issue, is_publisher
from portalsettings.models import PortalSettings, current

State = Issue.State
ISSUES_PER_HOUR = 5
COMMENTS_PER_HOUR = 30
COMMENTS_PER_ISSUE = 1000

# Who takes an issue from which state to which. What the publisher has not opened, its author can only withdraw.
AUTHOR: Mapping[str, tuple[State, ...]] = {
    State.PROPOSED: (State.CLOSED,),
    State.OPEN: (State.CLOSED,),
    State.RESOLVED: (State.OPEN, State.CLOSED),
}
PUBLISHER: Mapping[str, tuple[State, ...]] = {
    State.PROPOSED: (State.OPEN, State.CLOSED, State.REMOVED),
    State.OPEN: (State.RESOLVED, State.CLOSED, State.REMOVED),
    State.RESOLVED: (State.OPEN, State.CLOSED, State.REMOVED),
    State.CLOSED: (State.OPEN, State.REMOVED),
    State.REMOVED: (State.OPEN,),
}
# In these the discussion goes on.
TALKING = frozenset({State.PROPOSED, State.OPEN, State.RESOLVED})


class IssueError(ValueError):
    """It cannot be done; the text says why and is meant for the user."""


class WrongIssueState(IssueError):
    def __init__(self, issue: Issue) -> None:
        super().__init__(
            _("The issue is in the state “%(state)s”, which does not allow this.")
            % {"state": issue.get_state_display()}
        )


class TooManyPosts(IssueError):
    def __init__(self) -> None:
        super().__init__(_("You have written very much in the last hour. Wait a little and send it again."))


class NoMoreRoom(IssueError):
    def __init__(self) -> None:
        super().__init__(_("The issue takes no more of these: open a new one."))


class MayNotWrite(IssueError):
    def __init__(self) -> None:
        super().__init__(_("Your account is not active."))


def steps_of(issue: Issue, viewer: Viewer) -> tuple[State, ...]:
    """The states into which the viewer may bring the issue."""
    if is_publisher(viewer):
        return PUBLISHER[issue.state]
    return AUTHOR.get(issue.state, ()) if issue.author_id == viewer.pk else ()


def open_issue(*, api: API, by: User, title: str, description: str, uploads: Sequence[Upload] = ()) -> Issue:
    """Report something about an API. Raises IssueError."""
    with attachments.stored(uploads) as files, transaction.atomic():
        author = _writer(by)
        if not is_publisher(author) and _lately(author.issues) >= ISSUES_PER_HOUR:
            raise TooManyPosts
        issue = Issue(api=api, author=author, title=title, description=description)
        if current().issues == PortalSettings.Issues.AT_ONCE or is_publisher(author):
            issue.state, issue.opened_at = State.OPEN, timezone.now()
        issue.save()
        _attach(issue, files)
        follow(issue, author)
        record(names.ISSUE_OPENED, by=author, user=author, issue=issue, api=api, title=title)
    return issue


def comment(issue: Issue, *, by: User, text: str, uploads: Sequence[Upload] = ()) -> Comment:
    """Say something about an issue. Raises IssueError."""
    with attachments.stored(uploads) as files, transaction.atomic():
        author = _writer(by)
        row = _talking(issue)
        by_publisher = is_publisher(author)
        if not by_publisher and _lately(author.issue_comments) >= COMMENTS_PER_HOUR:
            raise TooManyPosts
        if row.comments.count() >= COMMENTS_PER_ISSUE:
            raise NoMoreRoom
        written = Comment.objects.create(issue=row, author=author, text=text, by_publisher=by_publisher)
        _attach(row, files, written)
        # The publisher's own people hear of each issue already.
        if not by_publisher:
            follow(row, author)
        record(names.ISSUE_COMMENTED, by=author, issue=row, comment_id=written.pk, api=row.api_id, title=row.title)
    return written


def edit_issue(issue: Issue, *, by: User, title: str, description: str) -> None:
    """Put one's own issue in other words; it is marked as edited. Raises IssueError."""
    with transaction.atomic():
        _writer(by)
        row = _talking(issue)
        if (row.title, row.description) != (title, description):
            row.title, row.description, row.edited_at = title, description, timezone.now()
            row.save(update_fields=["title", "description", "edited_at"])


def edit_comment(comment: Comment, *, by: User, text: str) -> None:
    """Put one's own comment in other words; it is marked as edited. Raises IssueError."""
    with transaction.atomic():
        _writer(by)
        _talking(comment.issue)
        Comment.objects.filter(pk=comment.pk).exclude(text=text).update(text=text, edited_at=timezone.now())


def change_state(issue: Issue, to: State, *, by: User) -> Issue:
    """Bring an issue into another state, as its author or as the publisher. Raises IssueError."""
    with transaction.atomic():
        actor = _writer(by)
        row = Issue.objects.select_for_update().get(pk=issue.pk)
        if to not in steps_of(row, actor):
            raise WrongIssueState(row)
        row.state = to
        if to == State.OPEN and row.opened_at is None:
            row.opened_at = timezone.now()
        row.save(update_fields=["state", "opened_at"])
        record(names.ISSUE_STATE_CHANGED, by=actor, issue=row, api=row.api_id, title=row.title, state=to.value)
    return row


def remove_comment(comment: Comment) -> None:
    with transaction.atomic():
        _forget_files(comment.attachments.values_list("stored_as", flat=True))
        comment.delete()


def remove_attachment(attachment: Attachment) -> None:
    with transaction.atomic():
        _forget_files([attachment.stored_as])
        attachment.delete()


def delete(issue: Issue) -> None:
    """Delete an issue for good, with its comments and files."""
    with transaction.atomic():
        _forget_files(issue.attachments.values_list("stored_as", flat=True))
        issue.delete()


def follow(issue: Issue, user: User) -> None:
    Follow.objects.get_or_create(issue=issue, user=user)


def unfollow(issue: Issue, user: User) -> None:
    Follow.objects.filter(issue=issue, user=user).delete()


def _writer(by: User) -> User:
    """The person as he is now, locked: what he writes at the same time is counted one after the other."""
    person = User.objects.select_for_update().get(pk=by.pk)
    if not person.is_active:
        raise MayNotWrite
    return person


def _talking(issue: Issue) -> Issue:
    row = Issue.objects.select_for_update().get(pk=issue.pk)
    if row.state not in TALKING:
        raise WrongIssueState(row)
    return row


def _lately(posts: Manager[Any]) -> int:
    return posts.filter(created_at__gt=timezone.now() - timedelta(hours=1)).count()


def _attach(issue: Issue, files: Sequence[StoredFile], written: Comment | None = None) -> None:
    """Note the files of a post, within what one issue may hold."""
    if not files:
        return
    there = issue.attachments.aggregate(size=Sum("size", default=0))["size"]
    size = there + sum(len(one.upload.content) for one in files)
    if issue.attachments.count() + len(files) > attachments.FILES_PER_ISSUE or size > attachments.ISSUE_LIMIT_BYTES:
        raise NoMoreRoom
    for one in files:
        issue.attachments.create(
            comment=written,
            title=one.upload.title,
            content_format=one.upload.content_format,
            size=len(one.upload.content),
            stored_as=one.name,
        )


def _forget_files(stored: Iterable[str]) -> None:
    """Remove files once their rows are gone for certain."""
    transaction.on_commit(partial(attachments.remove, list(stored)))
