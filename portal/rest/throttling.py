"""How often one caller may ask."""

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

from portal.http import caller_address

if TYPE_CHECKING:
    from rest_framework.views import APIView


class ByCaller(SimpleRateThrottle):
    """By person, or by address where nobody is signed in: so that guessing keys is counted too."""

    rate = "120/min"

    def get_cache_key(self, request: Request, view: "APIView") -> str:
        user = request.user
        caller = f"user-{user.pk}" if user.is_authenticated else f"address-{caller_address(request._request)}"
        return f"rest-throttle-{caller}"
