"""Events that were told are kept for a month."""

from datetime import timedelta

import pytest
from django.utils import timezone

from events.models import Event
from notifications.models import Mailing
from notifications.telling import forget_told

pytestmark = pytest.mark.django_db


def _event(**fields) -> Event:
    return Event.objects.create(name="user.signed_up", **fields)


def test_a_told_event_goes_after_thirty_days():
    now = timezone.now()
    _event(told_at=now)
    assert forget_told(now + timedelta(days=30)) == 0
    assert forget_told(now + timedelta(days=30, seconds=1)) == 1


def test_an_event_that_was_not_told_stays():
    _event()
    assert forget_told(timezone.now() + timedelta(days=365)) == 0


@pytest.mark.parametrize(("is_finished", "gone"), [(False, 0), (True, 1)])
def test_an_event_whose_mails_are_still_written_stays(is_finished, gone):
    now = timezone.now()
    Mailing.objects.create(event=_event(told_at=now), finished_at=now if is_finished else None)
    assert forget_told(now + timedelta(days=31)) == gone
