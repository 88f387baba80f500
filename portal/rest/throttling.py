"""How often one caller may ask."""

from typing import TYPE_CHECKING, cast

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from portal.console.allowance import caller_address

if TYPE_CHECKING:
    from rest_framework.views import APIView

    from portal.http import PageRequest


class ByCaller(SimpleRateThrottle):
    """By person, or by address where nobody is signed in: so that guessing keys is counted too."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: "APIView") -> str:
        user = request.user
        caller = (
            f"user-{user.pk}"
            if user.is_authenticated
            else f"address-{caller_address(cast('PageRequest', request._request))}"
        )
        return f"rest-throttle-{caller}"
