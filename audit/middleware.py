"""Makes what staff change in a request an act, wherever on the site it is."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse

from audit.acts import acting

GetResponse = Callable[[HttpRequest], HttpResponse]


def note_acts(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        # What these methods write, such as when somebody was last seen, is nothing that he decided.
        if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
            return get_response(request)
        user = request.user
        if not user.is_authenticated or not user.is_staff:
            return get_response(request)
        via = "administration" if request.path.startswith("/admin/") else "portal"
        with acting(via=via, by=user, address=get_adapter().get_client_ip(request)):
            return get_response(request)

    return answer
