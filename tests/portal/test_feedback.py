"""The pages of issues: who sees, opens, answers and brings on what."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import Group
from apis.models import API
from feedback import issues
from feedback.attachments import FILE_LIMIT_BYTES, upload_of
from feedback.models import Attachment, Comment, Issue
from portalsettings.models import PortalSettings
from subscriptions.models import Product
from tests.feedback.conftest import png

State = Issue.State
LIST, NEW = "/issues/echo/", "/issues/echo/new/"
TEXT = {"title": "Echo is late", "description": "It takes an hour since noon."}


@pytest.fixture(autouse=True)
def switched_on(db, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    PortalSettings.objects.create(pk=1, issues=PortalSettings.Issues.REVIEWED)


@pytest.fixture
def browsers(alice, bob, mallory, admin_user, signed_in) -> dict[str, Client]:
    people = {"author": alice, "colleague": bob, "stranger": mallory, "publisher": admin_user}
    return {name: signed_in(user) for name, user in people.items()} | {"nobody": Client()}


@pytest.fixture
def issue(starter, alice) -> Issue:
    return issues.open_issue(api=API.objects.get(), by=alice, **TEXT, uploads=[upload_of("a.png", png(), 9)])


@pytest.fixture
def opened(issue, admin_user) -> Issue:
    return issues.change_state(issue, State.OPEN, by=admin_user)


def page(issue: Issue, part: str = "") -> str:
    return f"/issues/echo/{issue.pk}/{part}"


def file_page(issue: Issue) -> str:
    return reverse("portal:issue_attachment", args=["echo", issue.pk, issue.attachments.get().pk])


def status_of_file(browser: Client, path: str) -> int:
    """Read to its end, which closes the file."""
    answer = browser.get(path)
    if answer.streaming:
        list(answer.streaming_content)
    return answer.status_code


WHOLE = {"author": 200, "colleague": 200, "stranger": 200, "publisher": 200, "nobody": 200}
OWN = {"author": 200, "colleague": 404, "stranger": 404, "publisher": 200, "nobody": 404}
NOBODYS = {"author": 404, "colleague": 404, "stranger": 404, "publisher": 200, "nobody": 404}
SEEN = [
    (State.PROPOSED, False, OWN),
    (State.CLOSED, False, OWN),
    (State.OPEN, True, WHOLE),
    (State.RESOLVED, True, WHOLE),
    (State.CLOSED, True, WHOLE),
    (State.REMOVED, True, NOBODYS),
]


@pytest.mark.parametrize(("state", "was_opened", "statuses"), SEEN)
def test_issue_and_its_files_are_seen_as_far_as_it_has_come(browsers, issue, state, was_opened, statuses):
    opened_at = issue.created_at if was_opened else None
    Issue.objects.update(state=state, opened_at=opened_at)
    for who, status in statuses.items():
        assert browsers[who].get(page(issue)).status_code == status, who
        assert status_of_file(browsers[who], file_page(issue)) == status, who
        assert ("Echo is late" in browsers[who].get(LIST).text) == (status == 200), who


@pytest.mark.parametrize("switch", ["portal", "API"])
def test_where_issues_are_switched_off_there_are_no_pages_and_no_links(browsers, opened, switch):
    assert LIST in browsers["author"].get("/apis/echo/").text
    if switch == "portal":
        PortalSettings.objects.update(issues=PortalSettings.Issues.OFF)
    else:
        API.objects.update(issues_offered=False)
    for path in (LIST, NEW, page(opened), page(opened, "edit/"), file_page(opened)):
        assert browsers["author"].get(path).status_code == 404
    assert LIST not in browsers["author"].get("/apis/echo/").text
    assert browsers["author"].post(NEW, TEXT).status_code == 404
    assert browsers["author"].post(page(opened, "comment/"), {"text": "Here"}).status_code == 404


def test_issue_is_opened_with_a_file_and_read_by_the_publisher(browsers, starter):
    answer = browsers["author"].post(NEW, {**TEXT, "attachments": [SimpleUploadedFile("a.png", png())]}, follow=True)
    assert "Others see it once the publisher has opened it." in answer.text
    made = Issue.objects.get()
    assert (made.author.first_name, made.state, made.attachments.get().title) == ("Alice", State.PROPOSED, "a.png")
    assert "Echo is late" in browsers["publisher"].get(page(made)).text


def test_file_is_answered_so_that_a_browser_does_not_run_it(browsers, opened):
    answer = browsers["nobody"].get(file_page(opened))
    assert b"".join(answer.streaming_content) == png()
    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"] == 'attachment; filename="a.png"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"


def test_file_of_another_issue_is_not_found(browsers, opened, bob):
    hidden = issues.open_issue(api=opened.api, by=bob, **TEXT, uploads=[upload_of("b.png", png(), 9)])
    stolen = reverse("portal:issue_attachment", args=["echo", opened.pk, hidden.attachments.get().pk])
    assert browsers["author"].get(stolen).status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.html", b"<script>", "a.html: only these can be attached"),
        ("a.png", b"<script>", "a.png: its content is not what its name says."),
        ("a.txt", b"x" * (FILE_LIMIT_BYTES + 1), "a.txt: it is larger than"),
    ],
)
def test_file_that_is_refused_loses_nothing_of_what_was_typed(browsers, starter, name, content, told):
    answer = browsers["author"].post(NEW, {**TEXT, "attachments": [SimpleUploadedFile(name, content)]})
    assert told in answer.text
    assert TEXT["description"] in answer.text
    assert (Issue.objects.count(), Attachment.objects.count()) == (0, 0)


def test_so_many_files_at_a_time(browsers, starter):
    many = [SimpleUploadedFile(f"{number}.txt", b"text") for number in range(6)]
    assert "Attach at most 5 files." in browsers["author"].post(NEW, {**TEXT, "attachments": many}).text


@pytest.mark.parametrize(
    "fields",
    [
        {"title": "No", "description": "It takes an hour since noon."},
        {"title": "Echo is late", "description": "Late"},
        {"title": "x" * 201, "description": "It takes an hour since noon."},
        {"title": "Echo \u202eis late", "description": "It takes an hour since noon."},
        {"title": "Echo is late", "description": "x" * 20_001},
        {"title": "Echo is late", "description": "It takes \0 an hour since noon."},
    ],
)
def test_issue_that_says_too_little_or_too_much_is_refused(browsers, starter, fields):
    assert "errorlist" in browsers["author"].post(NEW, fields).text
    assert not Issue.objects.exists()


def test_who_sends_too_much_is_told_to_wait(browsers, opened, monkeypatch):
    monkeypatch.setattr(issues, "COMMENTS_PER_HOUR", 0)
    answer = browsers["colleague"].post(page(opened, "comment/"), {"text": "Here as well."})
    assert "Wait a little" in answer.text
    assert "Here as well." in answer.text


def test_forged_post_is_refused(opened, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    for path in (NEW, page(opened, "comment/"), page(opened, "state/"), page(opened, "follow/")):
        assert browser.post(path, {**TEXT, "text": "Forged", "state": "closed"}).status_code == 403
    assert not Comment.objects.exists()


@pytest.mark.parametrize("part", ["comment/", "state/", "follow/"])
def test_following_a_link_changes_nothing(browsers, opened, part):
    assert browsers["author"].get(page(opened, part))["Location"] == page(opened)


POSTS = [
    ("comment/", {"text": "Here as well."}, {"author": 302, "colleague": 302, "publisher": 302, "nobody": 302}),
    ("edit/", TEXT, {"author": 302, "colleague": 403, "publisher": 403, "nobody": 302}),
    ("state/", {"state": "closed"}, {"colleague": 403, "author": 302, "nobody": 302}),
    ("state/", {"state": "resolved"}, {"colleague": 403, "publisher": 302, "nobody": 302}),
    ("follow/", {"follow": "no"}, {"author": 302, "colleague": 302, "publisher": 302, "nobody": 302}),
    ("comments/{comment}/edit/", {"text": "No."}, {"author": 403, "colleague": 302, "publisher": 403, "nobody": 302}),
    ("comments/{comment}/remove/", {}, {"author": 403, "colleague": 403, "publisher": 302, "nobody": 302}),
]


@pytest.mark.parametrize(("part", "fields", "statuses"), POSTS)
def test_each_does_what_is_his(browsers, opened, bob, part, fields, statuses):
    comment = issues.comment(opened, by=bob, text="Here as well.")
    for who, status in statuses.items():
        answer = browsers[who].post(page(opened, part.format(comment=comment.pk)), fields)
        assert answer.status_code == status, who
        assert answer.get("Location", "").startswith("/account/login/") == (who == "nobody"), who


@pytest.mark.parametrize("part", ["comment/", "edit/", "state/", "follow/"])
def test_nothing_is_done_to_an_issue_that_one_does_not_see(browsers, issue, part):
    answer = browsers["stranger"].post(page(issue, part), {**TEXT, "text": "Here as well.", "state": "closed"})
    assert answer.status_code == 404


def test_publishers_comment_has_a_badge(browsers, opened):
    browsers["publisher"].post(page(opened, "comment/"), {"text": "It is mended."})
    assert "Publisher</span>" in browsers["nobody"].get(page(opened)).text


def test_markdown_is_shown_without_anything_that_could_harm(browsers, opened):
    text = "<img src=x onerror=alert(1)> [free](javascript:alert(1)) [shop](https://shop.example.org) **bold**"
    browsers["colleague"].post(page(opened, "comment/"), {"text": text})
    shown = browsers["nobody"].get(page(opened)).text
    assert "<img src=x" not in shown
    assert 'href="javascript' not in shown
    assert 'rel="noopener noreferrer nofollow"' in shown
    assert "<strong>bold</strong>" in shown


def test_page_shows_no_addresses(browsers, opened, alice):
    alice.first_name = ""
    alice.save()
    assert "alice@example.org" not in browsers["nobody"].get(page(opened)).text + browsers["nobody"].get(LIST).text


def test_edited_issue_is_marked(browsers, opened):
    browsers["author"].post(page(opened, "edit/"), {**TEXT, "title": "Echo is very late"})
    shown = browsers["nobody"].get(page(opened)).text
    assert "Echo is very late" in shown
    assert re.search(r"edited\s", shown)


@pytest.mark.parametrize(
    ("query", "found"),
    [("", True), ("?q=late", True), ("?q=early", False), ("?state=open", True), ("?state=closed", False)],
)
def test_list_is_filtered(browsers, opened, query, found):
    assert ("Echo is late" in browsers["nobody"].get(LIST + query).text) == found


def test_list_has_the_newest_first_and_pages(browsers, opened, alice):
    Issue.objects.bulk_create(
        Issue(
            api=opened.api,
            author=alice,
            title=f"Issue {number}",
            description="x",
            state=State.OPEN,
            opened_at=opened.opened_at,
        )
        for number in range(30)
    )
    first = browsers["nobody"].get(LIST + "?state=open").text
    assert first.index("Issue 29") < first.index("Issue 28")
    assert "Echo is late" not in first
    assert 'href="?state=open&amp;page=2"' in first
    assert "Echo is late" in browsers["nobody"].get(LIST + "?page=2").text


def test_number_of_queries_does_not_grow_with_the_issues_and_comments(
    browsers, opened, bob, django_assert_max_num_queries
):
    for number in range(10):
        issues.comment(opened, by=bob, text=f"Comment {number}")
    with django_assert_max_num_queries(20):
        browsers["author"].get(page(opened))
    with django_assert_max_num_queries(15):
        browsers["author"].get(LIST)


def test_preview_shows_what_the_group_sees_and_sends_nothing(browsers, issue):
    publisher = browsers["publisher"]
    publisher.post(f"/preview/{Group.objects.get(name='developers').pk}/")
    assert publisher.get(LIST).status_code == 200
    assert publisher.get(page(issue)).status_code == 404
    assert publisher.get(NEW).status_code == 403
    assert publisher.post(NEW, TEXT).status_code == 403


def test_account_that_is_closed_leaves_its_issues_without_a_name(browsers, opened, alice):
    from accounts.closing import close

    close(alice, by=alice)
    shown = browsers["nobody"].get(page(opened)).text
    assert "A former user" in shown
    assert "Alice" not in shown


def test_issues_are_part_of_ones_own_data(browsers, opened, alice):
    from django.utils import timezone

    from portal import own_data

    assert own_data.of(alice, timezone.now())["issues"][0]["title"] == "Echo is late"


def test_publisher_answers_and_brings_on_in_the_administration(browsers, issue):
    change = reverse("admin:feedback_issue_change", args=[issue.pk])
    assert "It takes an hour since noon." in browsers["publisher"].get(change).text
    rows = {
        f"{name}-{what}_FORMS": count
        for name in ("comments", "attachments")
        for what, count in (("TOTAL", 0), ("INITIAL", 0))
    }
    browsers["publisher"].post(change, {"answer": "We look at it.", "step": "open", **rows})
    answered = Issue.objects.get()
    assert (answered.state, answered.comments.get().by_publisher) == (State.OPEN, True)
    browsers["publisher"].post(change, {"answer": "It is mended.", "step": "closed", **rows})
    assert (Issue.objects.get().state, Comment.objects.count()) == (State.CLOSED, 2)
    browsers["publisher"].post(change, {"answer": "It is not.", "step": "", **rows})
    assert Comment.objects.count() == 2


def test_publisher_removes_comments_files_and_issues_in_the_administration(browsers, opened, bob):
    comment = issues.comment(opened, by=bob, text="Buy our spam.")
    change = reverse("admin:feedback_issue_change", args=[opened.pk])
    file = opened.attachments.get()
    assert status_of_file(browsers["publisher"], reverse("admin:feedback_attachment_file", args=[file.pk])) == 200
    form = {
        **{"comments-TOTAL_FORMS": 1, "comments-INITIAL_FORMS": 1, "comments-0-id": comment.pk},
        **{"comments-0-issue": opened.pk, "comments-0-DELETE": "on"},
        **{"attachments-TOTAL_FORMS": 1, "attachments-INITIAL_FORMS": 1, "attachments-0-id": file.pk},
        **{"attachments-0-issue": opened.pk, "attachments-0-DELETE": "on", "answer": "", "step": ""},
    }
    browsers["publisher"].post(change, form)
    assert (Comment.objects.count(), Attachment.objects.count()) == (0, 0)
    browsers["publisher"].post(reverse("admin:feedback_issue_delete", args=[opened.pk]), {"post": "yes"})
    assert not Issue.objects.exists()


def test_list_of_the_administration_brings_on_many(browsers, issue):
    listed = reverse("admin:feedback_issue_changelist")
    assert "Echo is late" in browsers["publisher"].get(listed).text
    browsers["publisher"].post(listed, {"action": "to_open", "_selected_action": [issue.pk]})
    assert Issue.objects.get().state == State.OPEN


def test_unpublished_product_takes_its_issues_along(browsers, opened):
    Product.objects.update(state=Product.State.NOT_PUBLISHED)
    for who in ("author", "publisher", "nobody"):
        assert browsers[who].get(LIST).status_code == 404
        assert browsers[who].get(page(opened)).status_code == 404
