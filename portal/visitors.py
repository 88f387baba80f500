"""A portal that only signed-in people see, where the portal's settings say so."""

from collections.abc import Callable
from typing import cast

from django.http import HttpRequest, HttpResponse

from portal.http import PageRequest, portal_settings_of
from portal.signing_in import page_of, to_sign_in

# What everybody needs to get in or to get no more mails, and what programs ask. The administration has its own door.
OPEN_PATHS = (
    *("/account/", "/admin/", "/health/", "/language/", "/notice/", "/setup/", "/signin-sso/", "/static/", "/usage"),
    *("/favicon.ico", "/robots.txt", "/teams/invitations/", "/unsubscribe/"),
)


def signed_in_only(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Sends visitors to the sign-in page from every page that is not listed, so that a new page is closed too."""

    def answer(request: HttpRequest) -> HttpResponse:
        is_open = request.path_info.startswith(OPEN_PATHS) or request.user.is_authenticated
        if is_open or not portal_settings_of(request).sign_in_required:
            return get_response(request)
        page = cast(PageRequest, request)
        return to_sign_in(page, back_to=page_of(page))

    return answer
