"""Who brings an issue into which state, what is told of it, and how much one may write."""

import pytest

from accounts.models import User
from events import names
from events.models import Event
from feedback import issues
from feedback.issues import MayNotWrite, TooManyPosts, WrongIssueState
from feedback.models import Issue
from portalsettings.models import PortalSettings

State = Issue.State
# From each state: where its author, a colleague, and the publisher may bring an issue.
TABLE = [
    (State.PROPOSED, {State.CLOSED}, {State.OPEN, State.CLOSED, State.REMOVED}),
    (State.OPEN, {State.CLOSED}, {State.RESOLVED, State.CLOSED, State.REMOVED}),
    (State.RESOLVED, {State.OPEN, State.CLOSED}, {State.OPEN, State.CLOSED, State.REMOVED}),
    (State.CLOSED, set(), {State.OPEN, State.REMOVED}),
    (State.REMOVED, set(), {State.OPEN}),
]


@pytest.mark.parametrize(("state", "author", "publisher"), TABLE)
@pytest.mark.parametrize("to", State)
def test_each_takes_the_steps_that_are_his(opened, alice, bob, admin_user, state, author, publisher, to):
    for person, allowed in ((alice, author), (bob, set()), (admin_user, publisher)):
        Issue.objects.update(state=state)
        if to in allowed:
            assert issues.change_state(opened, to, by=person).state == to
        else:
            with pytest.raises(WrongIssueState):
                issues.change_state(opened, to, by=person)


def test_member_of_the_staff_without_the_permission_is_no_publisher(proposed, bob):
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    with pytest.raises(WrongIssueState):
        issues.change_state(proposed, State.OPEN, by=bob)


def test_issue_waits_for_the_publisher_unless_the_settings_say_otherwise(proposed, echo, bob):
    assert (proposed.state, proposed.opened_at) == (State.PROPOSED, None)
    PortalSettings.objects.update(issues=PortalSettings.Issues.AT_ONCE)
    at_once = issues.open_issue(api=echo, by=bob, title="Another one", description="It is broken, too.")
    assert at_once.state == State.OPEN
    assert at_once.opened_at


def test_each_step_is_an_event(opened, bob):
    comment = issues.comment(opened, by=bob, text="Here as well.")
    told = Event.objects.filter(name__startswith="issue.").values_list("name", "by__first_name", "data")
    assert list(told) == [
        (
            names.ISSUE_OPENED,
            "Alice",
            {"user": opened.author_id, "issue": opened.pk, "api": opened.api_id, "title": "Echo is late"},
        ),
        (
            names.ISSUE_STATE_CHANGED,
            "Admin",
            {"issue": opened.pk, "api": opened.api_id, "title": "Echo is late", "state": "open"},
        ),
        (
            names.ISSUE_COMMENTED,
            "Bob",
            {"issue": opened.pk, "comment_id": comment.pk, "api": opened.api_id, "title": "Echo is late"},
        ),
    ]


def test_a_person_opens_so_many_issues_in_an_hour(echo, bob):
    def write():
        return issues.open_issue(api=echo, by=bob, title="Spam, spam", description="Buy more of our spam.")

    first = write()
    for _ in range(issues.ISSUES_PER_HOUR - 1):
        write()
    with pytest.raises(TooManyPosts):
        write()
    Issue.objects.filter(pk=first.pk).update(created_at="2020-01-01T00:00Z")
    write()


def test_a_person_writes_so_many_comments_in_an_hour(opened, bob, admin_user, monkeypatch):
    monkeypatch.setattr(issues, "COMMENTS_PER_HOUR", 1)
    issues.comment(opened, by=bob, text="One")
    with pytest.raises(TooManyPosts):
        issues.comment(opened, by=bob, text="Two")
    for text in ("One", "Two"):
        issues.comment(opened, by=admin_user, text=text)


@pytest.mark.parametrize("state", [User.State.BLOCKED, User.State.DELETED, User.State.PENDING])
def test_only_who_is_active_writes(opened, echo, alice, state):
    User.objects.filter(pk=alice.pk).update(state=state)
    with pytest.raises(MayNotWrite):
        issues.open_issue(api=echo, by=alice, title="Another one", description="It is broken, too.")
    with pytest.raises(MayNotWrite):
        issues.comment(opened, by=alice, text="I am still here")
    with pytest.raises(MayNotWrite):
        issues.change_state(opened, State.CLOSED, by=alice)


@pytest.mark.parametrize("state", [State.CLOSED, State.REMOVED])
def test_discussion_ends_with_the_issue(opened, alice, state):
    Issue.objects.update(state=state)
    with pytest.raises(WrongIssueState):
        issues.comment(opened, by=alice, text="One more thing")
    with pytest.raises(WrongIssueState):
        issues.edit_issue(opened, by=alice, title="Something else", description="Nobody shall know what it was.")


def test_who_writes_follows_but_for_the_publisher(opened, bob, admin_user):
    issues.comment(opened, by=bob, text="Here as well.")
    issues.comment(opened, by=admin_user, text="We look at it.")
    assert [one.first_name for one in opened.followers.order_by("pk")] == ["Alice", "Bob"]
    issues.unfollow(opened, bob)
    assert [one.first_name for one in opened.followers.all()] == ["Alice"]


def test_edits_are_marked_where_something_changed(opened, alice):
    issues.edit_issue(opened, by=alice, title=opened.title, description=opened.description)
    assert Issue.objects.get().edited_at is None
    issues.edit_issue(opened, by=alice, title="Echo is very late", description=opened.description)
    assert Issue.objects.get().edited_at
