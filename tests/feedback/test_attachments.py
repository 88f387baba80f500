"""Files and rows keep together."""

import os

import pytest
from django.db import transaction

from feedback import attachments, issues
from feedback.attachments import upload_of
from feedback.issues import NoMoreRoom, WrongIssueState
from feedback.models import Attachment, Issue

LOG = upload_of("a.log", b"It failed.", 10)


def files(data_dir) -> list[bytes]:
    return sorted(file.read_bytes() for file in (data_dir / "attachments").glob("*/*"))


@pytest.fixture
def comment(opened, bob):
    return issues.comment(opened, by=bob, text="Here is a log.", uploads=[LOG])


def test_file_lies_under_a_random_name_that_only_its_owner_reads(comment):
    file = attachments.path_of(comment.attachments.get())
    assert file.read_bytes() == b"It failed."
    assert "a.log" not in str(file)
    assert file.stat().st_mode & 0o077 == 0


def test_refused_post_leaves_no_file(opened, admin_user, bob, data_dir):
    issues.change_state(opened, Issue.State.CLOSED, by=admin_user)
    with pytest.raises(WrongIssueState):
        issues.comment(opened, by=bob, text="One more", uploads=[LOG])
    assert files(data_dir) == []


@pytest.mark.parametrize("remove", ["comment", "attachment", "issue"])
def test_file_goes_with_its_row(comment, opened, data_dir, remove, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        {
            "comment": lambda: issues.remove_comment(comment),
            "attachment": lambda: issues.remove_attachment(comment.attachments.get()),
            "issue": lambda: issues.delete(opened),
        }[remove]()
        assert files(data_dir) == [b"It failed."]
    assert (Attachment.objects.count(), files(data_dir)) == (0, [])


@pytest.mark.django_db(transaction=True)
def test_file_stays_where_its_deletion_was_not_committed(comment, data_dir):
    with transaction.atomic():
        issues.remove_comment(comment)
        transaction.set_rollback(True)
    assert (Attachment.objects.count(), files(data_dir)) == (1, [b"It failed."])


def test_orphans_are_removed_once_they_are_old(comment, data_dir):
    with attachments.stored([upload_of("b.log", b"An orphan.", 10)]):
        pass
    assert attachments.remove_orphans() == 0
    for file in (data_dir / "attachments").glob("*/*"):
        os.utime(file, (0, 0))
    assert attachments.remove_orphans() == 1
    assert files(data_dir) == [b"It failed."]


def test_files_of_an_api_that_is_deleted_become_orphans(comment, echo, data_dir):
    echo.delete()
    for file in (data_dir / "attachments").glob("*/*"):
        os.utime(file, (0, 0))
    assert attachments.remove_orphans() == 1


def test_an_issue_holds_so_many_files(opened, bob, monkeypatch, data_dir):
    monkeypatch.setattr(attachments, "FILES_PER_ISSUE", 1)
    issues.comment(opened, by=bob, text="A log", uploads=[LOG])
    with pytest.raises(NoMoreRoom):
        issues.comment(opened, by=bob, text="A log", uploads=[LOG])
    assert len(files(data_dir)) == 1
    assert opened.comments.count() == 1
