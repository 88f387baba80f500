"""What the portal's readers are told of something that is deprecated."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from accounts.models import Viewer
from apis.deprecation import Deprecation
from apis.models import API
from subscriptions.models import visible_apis


@dataclass(frozen=True, slots=True)
class Notice:
    """`successor` is None also where the reader may not see it."""

    deprecation: Deprecation
    is_ahead: bool
    is_over: bool
    successor: API | None


def notice_of(viewer: Viewer, deprecation: Deprecation | None) -> Notice | None:
    return notices(viewer, [deprecation])[0] if deprecation is not None else None


def notices(viewer: Viewer, deprecations: Iterable[Deprecation]) -> list[Notice]:
    """In the same order; one query at most."""
    found, now = list(deprecations), timezone.now()
    wanted = {one.successor_id for one in found if one.successor_id is not None}
    successors = {api.pk: api for api in visible_apis(viewer).filter(pk__in=wanted)} if wanted else {}
    return [
        Notice(one, not one.has_begun(now), one.is_over(now), successors.get(one.successor_id or 0)) for one in found
    ]
