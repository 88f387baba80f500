"""Who is asking: the types of requests that views take."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from accounts.models import User


class PageRequest(HttpRequest):
    """A request of anybody."""

    user: User | AnonymousUser
    htmx: HtmxDetails


class SignedInRequest(PageRequest):
    """A request of somebody who is signed in."""

    user: User
