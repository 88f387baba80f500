"""Why a call did not go well, in plain words: where it ended, what the caller can do, what the publisher can do.

The console says the same of calls that it has just made, knowing less of the reason and more of what was sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analytics.models import Call
from gateway.catalogue.call_limits import KILOBYTE
from gateway.configuration.snapshot import Quota
from portal.limits import calls_per_period
from subscriptions.models import Subscription


class Hop(Enum):
    """A call's stations. The portal is one for calls of its console."""

    CALLER = "caller"
    PORTAL = "portal"
    GATEWAY = "gateway"
    BACKEND = "backend"

    @property
    def label(self) -> Promise:
        return _HOPS[self]


_HOPS = {
    Hop.CALLER: gettext_lazy("Caller"),
    Hop.PORTAL: gettext_lazy("Portal"),
    Hop.GATEWAY: gettext_lazy("Gateway"),
    Hop.BACKEND: gettext_lazy("Backend"),
}


class Words(NamedTuple):
    """What can be said of all calls that ended alike. `advice` is for the caller, `remedy` for the publisher."""

    hop: Hop
    title: str | Promise
    advice: str | Promise
    remedy: str | Promise = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Words about one call; `detail` says what exactly refused it, as far as that is known."""

    hop: Hop
    title: str
    detail: str
    advice: str
    remedy: str


def explain(call: Call, subscription: Subscription | None) -> Explanation | None:
    """None for a call that went well. `subscription` is the call's, as it is now, if it is there."""
    if call.error_reason:
        words = of_reason(call.error_reason)
    elif call.response_code >= 400:
        words = of_backend(call.response_code)
    else:
        return None
    return Explanation(words.hop, str(words.title), _detail(call, subscription), str(words.advice), str(words.remedy))


def of_reason(reason: str) -> Words:
    """What the gateway's word for it means (Azure: LastError.Reason)."""
    return REASONS.get(reason) or Words(
        Hop.GATEWAY,
        _("The gateway ended the call: %(reason)s") % {"reason": reason},
        _("Give the publisher the request id."),
        _("The gateway's log tells more."),
    )


def of_backend(status: int) -> Words:
    """What an answer of the backend with 400 or above means."""
    match status:
        case 401 | 403:
            advice = _(
                "The gateway let the call through; the web service behind it wants other credentials. "
                "Check the Authorization header."
            )
            remedy = _("Where the gateway signs in for callers, look at the credentials of the API's backend.")
        case 404 | 410:
            advice = _("The web service behind the gateway has nothing at this URL. Check the parameters.")
            remedy = _("If it is so for all calls, look at the API's web service URL and the operation's template.")
        case 429 | 503:
            advice = _("The web service behind the gateway takes no call now. Send again later.")
            remedy = _("It is overloaded or being maintained, or has limits of its own.")
        case _ if status >= 500:
            advice = _("The web service behind the gateway failed. Its answer may say why.")
            remedy = _("The fault is in the web service: its log tells more.")
        case _:
            advice = _("The web service behind the gateway refused the request. Its answer may say why.")
            remedy = _("If it is so for many callers, look at what the operation's page asks them to send.")
    return Words(Hop.BACKEND, _("The backend answered %(status)s") % {"status": status}, advice, remedy)


def _detail(call: Call, subscription: Subscription | None) -> str:
    cause: Any = call.cause
    match cause:
        case {"kind": "limit"}:
            return _of_limit(cause, call.at)
        case {"kind": "key", "reason": "inactive", "state": state}:
            return f"{_of_state(state)} {_of_state_now(subscription, state)}".strip()
        case {"kind": "key", "reason": reason, "ended_at": ended_at} if reason in _ENDED:
            return str(_ENDED[reason]) % {"moment": _moment(datetime.fromisoformat(ended_at))}
        case {"reason": reason}:
            return str(cause.get("detail") or _CAUSES.get(reason, ""))
    if call.error_reason == "SubscriptionKeyInvalid":
        return str(_CAUSES["unknown"]) if call.subscription_id is None else _of_state_now(subscription, "")
    if call.error_reason == "BackendConnectionFailure" and call.backend_code is not None:
        return _("It began an answer with status %(status)s, which broke off; what had come was passed on.") % {
            "status": call.backend_code
        }
    return ""


def _of_limit(cause: Mapping[str, Any], at: datetime) -> str:
    """`at` is when the limit refused a call."""
    is_of_calls = cause["counts"] == "calls"
    limit = calls_per_period(
        Quota(
            calls=cause["limit"] if is_of_calls else None,
            renewal_period_seconds=cause["period_seconds"],
            kilobytes=None if is_of_calls else cause["limit"] // KILOBYTE,
        )
    )
    told = str(_LIMITS[cause["scope"]]) % {"limit": limit}
    wait = cause.get("retry_after_seconds")
    if wait is None:
        return told
    return f"{told} " + _("Calls pass again from %(moment)s.") % {"moment": _moment(at + timedelta(seconds=wait))}


def _of_state(state: str) -> str:
    if state == "owner":
        return _("The account of the subscription's owner was not active.")
    return _("The subscription of the key was in this state: %(state)s.") % {"state": _name_of(state)}


def _of_state_now(subscription: Subscription | None, before: str) -> str:
    """Nothing where it is as it was."""
    if subscription is None or subscription.state == before:
        return ""
    return _("The subscription of the key is in this state now: %(state)s.") % {"state": _name_of(subscription.state)}


def _name_of(state: str) -> str:
    return str(dict(Subscription.State.choices).get(state, state))


def _moment(moment: datetime) -> str:
    return date_format(localtime(moment), "DATETIME_FORMAT")


_LIMITS: Mapping[str, Promise] = {
    "product": gettext_lazy("The limit that the product has for all calls: %(limit)s."),
    "api": gettext_lazy("The limit that the product has for this API: %(limit)s."),
    "operation": gettext_lazy("The limit that the product has for this operation: %(limit)s."),
}
_ENDED: Mapping[str, Promise] = {
    "expired": gettext_lazy("The subscription of the key expired at %(moment)s."),
    "replaced": gettext_lazy("The key was replaced by a new one, and worked until %(moment)s."),
}
_CAUSES: Mapping[str, Promise] = {
    "unknown": gettext_lazy("No subscription has this key."),
    "differing": gettext_lazy("Several keys were sent that differ."),
    "too-long": gettext_lazy("What was sent is too long for a key."),
    "not-in-product": gettext_lazy("The product of the key's subscription does not contain this API."),
    "other-api": gettext_lazy("The key's subscription is for another API."),
    "no-api": gettext_lazy("No API has a URL suffix that the path begins with."),
    "no-operation": gettext_lazy("The API has no operation with this method and this path."),
    "dot-segments": gettext_lazy("The path has a segment “.” or “..”, which no operation can have."),
    "scheme": gettext_lazy("The API is not to be called by this scheme: look whether it wants HTTPS."),
}
REASONS: Mapping[str, Words] = {
    "SubscriptionKeyNotFound": Words(
        Hop.GATEWAY,
        gettext_lazy("This API needs a subscription key"),
        gettext_lazy("Send the key of a subscription that contains this API, in the header that the API's page names."),
        gettext_lazy("If it is to be called without a key, let the API need no subscription."),
    ),
    "SubscriptionKeyInvalid": Words(
        Hop.GATEWAY,
        gettext_lazy("The gateway did not accept the key"),
        gettext_lazy(
            "Check that it is whole and was not replaced by a new one, that its subscription is active, and that "
            "this contains the API."
        ),
        gettext_lazy("Look at the subscription: its state, its keys, and what it is for."),
    ),
    "OperationNotFound": Words(
        Hop.GATEWAY,
        gettext_lazy("The gateway knows no operation with this URL"),
        gettext_lazy("Compare method and URL with the API's page. What has just been added is there in a moment."),
        gettext_lazy("If it should be there, compare the API's URL suffix, its schemes and the operation's template."),
    ),
    "MalformedURL": Words(
        Hop.GATEWAY,
        gettext_lazy("The URL is not written as it must be"),
        gettext_lazy("Percent-encode what is not a letter or a digit, once, and leave out empty segments of the path."),
        gettext_lazy("Nothing is wrong here: such URLs could be taken for others by the backend."),
    ),
    "PolicyBroken": Words(
        Hop.GATEWAY,
        gettext_lazy("The product's policy cannot be used"),
        gettext_lazy("Tell the publisher; calls with this product's subscriptions are answered 500 until then."),
        gettext_lazy("Mend the policy document on the product's page."),
    ),
    "BackendMissing": Words(
        Hop.GATEWAY,
        gettext_lazy("The API has no backend that can be used"),
        gettext_lazy("Tell the publisher; all calls of the API are answered 500 until then."),
        gettext_lazy("Look at the API's backend: its URL, certificates and credentials. The gateway's log says more."),
    ),
    "RateLimitExceeded": Words(
        Hop.GATEWAY,
        gettext_lazy("Too many calls with this subscription"),
        gettext_lazy("Wait, or use a subscription that has no such limit."),
        gettext_lazy("The limit stands in the product's policy."),
    ),
    "QuotaExceeded": Words(
        Hop.GATEWAY,
        gettext_lazy("The subscription's quota is used up"),
        gettext_lazy("Wait, or use a subscription that has calls left."),
        gettext_lazy("The quota stands in the product's policy."),
    ),
    "CountersUnavailable": Words(
        Hop.GATEWAY,
        gettext_lazy("The limits could not be checked"),
        gettext_lazy("Send again in a moment."),
        gettext_lazy("The gateway gets no answer from Redis, and is set to let no call pass uncounted then."),
    ),
    "ShuttingDown": Words(
        Hop.GATEWAY,
        gettext_lazy("The gateway was stopped while the call was under way"),
        gettext_lazy("Send again. The call may have been carried out."),
        gettext_lazy("The call took longer than the gateway waits when it is stopped (DRAIN_SECONDS)."),
    ),
    "ClientConnectionFailure": Words(
        Hop.CALLER,
        gettext_lazy("The caller left before the end"),
        gettext_lazy("The connection was closed, or the request did not arrive in time. Wait longer for answers."),
        gettext_lazy("If it happens to many callers, the API may be too slow for them."),
    ),
    "RequestBodyTooLarge": Words(
        Hop.GATEWAY,
        gettext_lazy("The request body is too large"),
        gettext_lazy("Send less at once."),
        gettext_lazy("How much the gateway takes is one of its settings."),
    ),
    "RequestBodyRefused": Words(
        Hop.GATEWAY,
        gettext_lazy("The request body is not sent as HTTP wants it"),
        gettext_lazy("Look at how the program sends the body, above all at its chunks."),
        gettext_lazy("Nothing is wrong here: the program that called, or a proxy before the gateway, is."),
    ),
    "Loop": Words(
        Hop.GATEWAY,
        gettext_lazy("The API leads back to the gateway"),
        gettext_lazy("Tell the publisher; all calls of the API end so."),
        gettext_lazy("Give the API the URL of its web service in place of the gateway's own."),
    ),
    "BackendConnectionFailure": Words(
        Hop.BACKEND,
        gettext_lazy("The backend did not answer the gateway"),
        gettext_lazy(
            "The gateway accepted the call, but got no usable answer from the web service behind it. "
            "Send again later, or give the publisher the request id."
        ),
        gettext_lazy("It cannot be reached, closed the connection early, or sent something other than HTTP."),
    ),
    "BackendCertificateInvalid": Words(
        Hop.BACKEND,
        gettext_lazy("The backend's certificate is not trusted"),
        gettext_lazy("Give the publisher the request id. The call was not sent on."),
        gettext_lazy("Its certificate has expired, is for another name, or comes from an unknown authority."),
    ),
    "BackendConnectionsExhausted": Words(
        Hop.BACKEND,
        gettext_lazy("The backend has as many connections as it may have"),
        gettext_lazy("Too many calls of this API are under way at once. Send again later."),
        gettext_lazy("The backend is slow, or is called more than the gateway opens connections for."),
    ),
    "BackendCircuitOpen": Words(
        Hop.BACKEND,
        gettext_lazy("The backend has failed too often and is left alone for a while"),
        gettext_lazy("The call was not sent on. Send again later."),
        gettext_lazy("Its circuit breaker is open: look at the calls before this one for what failed."),
    ),
    "Timeout": Words(
        Hop.BACKEND,
        gettext_lazy("The backend took too long"),
        gettext_lazy(
            "The gateway accepted the call and gave up waiting; the web service may still carry it out. "
            "Give the publisher the request id."
        ),
        gettext_lazy("The web service is slower than the time that the gateway gives it."),
    ),
}
