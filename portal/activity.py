"""Notes where and when each session was last used, for the list of sessions."""

import time
from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]

# Nobody needs to know it more exactly, and each note is written into the database.
EXACT_TO_SECONDS = 300
_NOTED = "activity"


def note_activity(get_response: Handler) -> Handler:
    """Django middleware."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.session.session_key and request.user.is_authenticated:
            _note(request)
        return response

    return respond


def _note(request: HttpRequest) -> None:
    seen = [get_adapter().get_client_ip(request), request.META.get("HTTP_USER_AGENT", "")[:200]]
    *noted, at = request.session.get(_NOTED, [None, None, 0])
    if noted == seen and time.time() - at < EXACT_TO_SECONDS:
        return
    UserSession.objects.create_from_request(request)
    request.session[_NOTED] = [*seen, int(time.time())]
