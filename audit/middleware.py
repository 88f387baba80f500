"""Makes what staff change in a request an act, wherever on the site it is."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.http import HttpRequest, HttpResponse

from audit.acts import acting

# Where an identity provider sends somebody back to, with a GET that may connect it with his account.
_BACK_FROM_A_PROVIDER = ("/login/callback/", "/acs/finish/")

GetResponse = Callable[[HttpRequest], HttpResponse]


def note_acts(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        if not _may_decide(request):
            return get_response(request)
        user = request.user
        if not user.is_authenticated or not user.is_staff:
            return get_response(request)
        via = "administration" if request.path.startswith("/admin/") else "portal"
        with acting(via=via, by=user, address=get_adapter().get_client_ip(request)):
            return get_response(request)

    return answer


def _may_decide(request: HttpRequest) -> bool:
    """What other requests write, such as when somebody was last seen, is nothing that he decided."""
    if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
        return request.method == "GET" and request.path_info.endswith(_BACK_FROM_A_PROVIDER)
    return True
