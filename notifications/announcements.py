"""What a publisher tells the subscribers of an API or a product."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from apis.models import API
from events import names
from events.recording import record
from notifications import mailing
from notifications.catalogue import Category
from notifications.models import Announcement
from subscriptions.models import Product


def receivers(*, api: API | None, product: Product | None) -> QuerySet[User]:
    """Who would get an announcement now."""
    return mailing.receivers(api, product, Category.API_NEWS)


def announce(
    *, subject: str, body: str, api: API | None, product: Product | None, by: User, form_id: UUID
) -> Announcement:
    """Have it mailed. One form makes one announcement, however often it is sent."""
    scope = api or product
    with transaction.atomic():
        announcement, is_new = Announcement.objects.get_or_create(
            form_id=form_id,
            defaults={
                "subject": subject,
                "body": body,
                "api": api,
                "product": product,
                "scope_name": scope.display_name if scope is not None else "",
                "by": by,
            },
        )
        if is_new:
            announcement.event = record(
                names.ANNOUNCEMENT_PUBLISHED,
                by=by,
                announcement=announcement,
                api=api,
                product=product,
                subject=subject,
            )
            announcement.save(update_fields=["event"])
    return announcement
