"""Telling subscribers and webhooks that an API, or an operation of it, is deprecated."""

from django.db.models import QuerySet

from accounts.models import User
from apis.models import API, Operation
from events import names
from events.models import Event
from events.recording import record
from notifications import mailing
from notifications.catalogue import Category


def receivers(api: API) -> QuerySet[User]:
    """Who would get a mail about the API or an operation of it now."""
    return mailing.receivers(api, None, Category.API_NEWS)


def tell(row: API | Operation, *, by: User, mails: bool) -> Event | None:
    """Tell what is so from now on; nothing where it is not deprecated. `mails`: subscribers too, not only webhooks.

    Written in the transaction of the change. What is told is what counts: for an operation what holds of its API too.
    """
    deprecation = row.deprecation
    if deprecation is None or row.own_deprecation is None:
        return None
    api, operation = (row.api, row) if isinstance(row, Operation) else (row, None)
    return record(
        names.API_DEPRECATED,
        by=by,
        api=api,
        operation=operation,
        deprecated_at=deprecation.since,
        sunset_at=deprecation.sunset,
        successor=deprecation.successor_id,
        migration_url=deprecation.migration_url,
        mails=mails,
    )
