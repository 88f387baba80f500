"""Issues: what developers report about an API, and what the publisher answers (Azure: issues)."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User, Viewer
from apis.models import API
from portalsettings.models import current
from subscriptions.models import visible_apis

LONGEST_TEXT = 20_000


def is_publisher(viewer: Viewer) -> bool:
    """Whether the viewer speaks for the publisher: sees issues in all states, opens and removes them."""
    return viewer.is_authenticated and viewer.is_staff and viewer.has_perm("feedback.change_issue")


def apis_with_issues(viewer: Viewer) -> models.QuerySet[API]:
    """The APIs that a viewer sees and that take issues."""
    seen = visible_apis(viewer)
    return seen.filter(issues_offered=True) if current().offers_issues else seen.none()


class IssueQuerySet(models.QuerySet["Issue"]):
    def visible_to(self, viewer: Viewer) -> Self:
        """Those of the APIs that the viewer sees.

        One that was never opened is for its author and the publisher, and a removed one for the publisher alone.
        """
        seen = self.filter(api__in=apis_with_issues(viewer))
        if is_publisher(viewer):
            return seen
        shown = Q(opened_at__isnull=False)
        if viewer.is_authenticated:
            shown |= Q(author=viewer)
        return seen.filter(shown).exclude(state=Issue.State.REMOVED)

    def search(self, text: str) -> Self:
        return self.filter(Q(title__icontains=text) | Q(description__icontains=text))


class Issue(models.Model):
    """Something that a developer reports about an API."""

    class State(models.TextChoices):
        PROPOSED = "proposed", _("Proposed")
        OPEN = "open", _("Open")
        REMOVED = "removed", _("Removed")
        RESOLVED = "resolved", _("Resolved")
        CLOSED = "closed", _("Closed")

    api = models.ForeignKey(API, verbose_name=_("API"), on_delete=models.CASCADE, related_name="issues")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("author"), on_delete=models.PROTECT, related_name="issues"
    )
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), max_length=LONGEST_TEXT)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PROPOSED)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    # When it was first shown to others than its author and the publisher.
    opened_at = models.DateTimeField(_("opened at"), null=True, blank=True, editable=False)
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)
    followers = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name=_("followers"), through="Follow", related_name="followed_issues"
    )

    objects = IssueQuerySet.as_manager()

    class Meta:
        verbose_name = _("issue")
        verbose_name_plural = _("issues")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="issue_state_is_known",
                condition=Q(state__in=("proposed", "open", "removed", "resolved", "closed")),
            ),
            models.CheckConstraint(
                name="issue_was_opened",
                condition=~Q(state__in=("open", "resolved")) | Q(opened_at__isnull=False),
            ),
        ]
        indexes = [
            # The portal lists those of an API, the newest first.
            models.Index(name="issue_of_api", fields=["api", "-id"]),
            # How many a person has opened lately.
            models.Index(name="issue_of_author", fields=["author", "created_at"]),
            # Each page of the administration counts those that wait for the publisher.
            models.Index(name="issue_proposed", fields=["id"], condition=Q(state="proposed")),
        ]

    def __str__(self) -> str:
        return self.title


class Comment(models.Model):
    issue = models.ForeignKey(Issue, verbose_name=_("issue"), on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("author"), on_delete=models.PROTECT, related_name="issue_comments"
    )
    text = models.TextField(_("text"), max_length=LONGEST_TEXT)
    # As it was when the comment was written: the person may have another part by now.
    by_publisher = models.BooleanField(_("by the publisher"), default=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    edited_at = models.DateTimeField(_("edited at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        ordering = ["pk"]
        # How many a person has written lately.
        indexes = [models.Index(name="comment_of_author", fields=["author", "created_at"])]

    def __str__(self) -> str:
        return self.text[:80]


class Attachment(models.Model):
    """A file that came with an issue or with one of its comments; its content lies in DATA_DIR."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    issue = models.ForeignKey(Issue, verbose_name=_("issue"), on_delete=models.CASCADE, related_name="attachments")
    comment = models.ForeignKey(
        Comment,
        verbose_name=_("comment"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="attachments",
    )
    title = models.CharField(_("file name"), max_length=100)
    content_format = models.CharField(_("type"), max_length=50)
    size = models.PositiveIntegerField(_("size in bytes"))
    # Random: where the content lies, and nothing of what was uploaded.
    stored_as = models.CharField(_("stored as"), max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return self.title

    @property
    def is_picture(self) -> bool:
        return self.content_format.startswith("image/")


class Follow(models.Model):
    """Somebody hears of what becomes of an issue."""

    issue = models.ForeignKey(Issue, verbose_name=_("issue"), on_delete=models.CASCADE, related_name="follows")
    user = models.ForeignKey(User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="issue_follows")

    class Meta:
        verbose_name = _("follower")
        verbose_name_plural = _("followers")
        constraints = [models.UniqueConstraint(F("issue"), F("user"), name="issue_followed_once")]

    def __str__(self) -> str:
        return f"{self.user}: {self.issue}"
