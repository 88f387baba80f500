"""Why a call did not succeed: which hop refused or failed, and what to do about it."""

import json
import re
from dataclasses import dataclass
from enum import Enum

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from analytics.explanation import Hop, Words, of_backend, of_reason
from apis.models import API
from portal.console.forward import Answer, Ending, NoAnswer, Silence

# The gateway's own answers have this form, padding included; no JSON library writes it.
_GATEWAY_ANSWER = re.compile(rb'\A\{ "statusCode": (\d{3}), "message": ("(?:[^"\\]|\\.)*")')


class Key(Enum):
    """Which subscription key went with the call."""

    NONE = "none"
    TYPED = "typed"
    OF_SUBSCRIPTION = "of a subscription"


class Remedy(Enum):
    """What the page offers a link to."""

    SIGN_IN = "sign in"
    CHOOSE_KEY = "choose a key"


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent, as far as a diagnosis depends on it. `scheme` is the one that the gateway takes it for."""

    api: API
    scheme: str
    key: Key
    by_guest: bool


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`wait_seconds` is how long the answer asks to wait before the next call."""

    hop: Hop
    title: str
    advice: str
    wait_seconds: int | None = None
    remedy: Remedy | None = None


def of_silence(silence: NoAnswer) -> Diagnosis:
    if silence.why is Silence.UNREACHABLE:
        return Diagnosis(
            Hop.GATEWAY,
            _("The gateway cannot be reached"),
            _("The call was not sent. Tell the administrator that the portal gets no connection to the gateway."),
        )
    if silence.why is Silence.OUT_OF_TIME:
        return Diagnosis(
            Hop.GATEWAY,
            _("No answer within %(seconds)s seconds") % {"seconds": f"{silence.seconds:.0f}"},
            _("The call was sent and may have been carried out. Call the API from a program if it needs more time."),
        )
    if silence.why is Silence.CANCELLED:
        return Diagnosis(Hop.PORTAL, _("Cancelled"), _("The call may have been carried out."))
    return Diagnosis(
        Hop.GATEWAY,
        _("The gateway's answer cannot be read"),
        _("It closed the connection early, or sent something other than HTTP. The call may have been carried out."),
    )


def of_answer(answer: Answer, sent: Sent) -> Diagnosis | None:
    """None where nothing went wrong."""
    if answer.status < 400:
        return _of_ending(answer)
    message = _message_of_gateway(answer)
    if message is None:
        return _told(of_backend(answer.status), _wait_seconds(answer))
    return _of_gateway(answer, message, sent)


def _of_ending(answer: Answer) -> Diagnosis | None:
    """A success whose body never came to its end is none."""
    came = number_format(len(answer.body), force_grouping=True)
    length = answer.header("content-length")
    if length.isascii() and length.isdigit():
        whole = number_format(int(length[:18]), force_grouping=True)
        came = _("%(part)s of %(whole)s") % {"part": came, "whole": whole}
    match answer.ending:
        case Ending.BROKEN_OFF:
            return Diagnosis(
                Hop.BACKEND,
                _("The answer broke off after %(came)s bytes") % {"came": came},
                _(
                    "The backend closed the connection before the end, and the gateway passed on what there was. "
                    "Send again, or give the publisher the request id."
                ),
            )
        case Ending.OUT_OF_TIME:
            return Diagnosis(
                Hop.BACKEND,
                _("The answer had not ended after %(seconds)s seconds") % {"seconds": f"{answer.seconds:.0f}"},
                _(
                    "The backend had sent %(came)s bytes until then; the console waits no longer. Call the API from "
                    "a program if it needs more time."
                )
                % {"came": came},
            )
    return None


def _message_of_gateway(answer: Answer) -> str | None:
    found = _GATEWAY_ANSWER.match(answer.body[:4096])
    if not found or int(found[1]) != answer.status:
        return None
    try:
        return str(json.loads(found[2]))
    except ValueError:
        return None


def _of_gateway(answer: Answer, message: str, sent: Sent) -> Diagnosis:
    wait = _wait_seconds(answer)
    match answer.status:
        case 401:
            return _of_key(sent)
        case 403:
            return _told(of_reason("QuotaExceeded"), wait, title=message)
        case 429:
            return _told(of_reason("RateLimitExceeded"), wait)
        case 404 if sent.scheme not in sent.api.schemes:
            return Diagnosis(
                Hop.GATEWAY,
                _("This API is published for %(schemes)s only; the gateway is reached by %(scheme)s here")
                % {"schemes": sent.api.get_scheme_display(), "scheme": sent.scheme},
                _(
                    "The gateway answers such calls 404. An administrator can publish the API for HTTP and HTTPS, "
                    "or let a TLS proxy stand before the gateway: its URL goes into GATEWAY_URL, its address, and "
                    "the portal's, into TRUSTED_PROXIES."
                ),
            )
        case 404:
            return _told(of_reason("OperationNotFound"), wait)
        case 502:
            return _told(of_reason("BackendConnectionFailure"), wait)
        case 504:
            return _told(of_reason("Timeout"), wait)
        case status if status >= 500:
            return Diagnosis(
                Hop.GATEWAY, message, _("Send again later, or give the administrator the request id."), wait
            )
    return Diagnosis(Hop.GATEWAY, message, _("The gateway refused the request before it reached the backend."), wait)


def _of_key(sent: Sent) -> Diagnosis:
    remedy: Remedy | None = Remedy.SIGN_IN if sent.by_guest else Remedy.CHOOSE_KEY
    match sent.key:
        case Key.NONE if sent.by_guest:
            advice = _("The keys of your subscriptions are offered here once you have signed in.")
        case Key.NONE:
            advice = _("Choose one of your subscriptions, or subscribe to a product that contains this API.")
        case Key.TYPED:
            advice = _(
                "Check the key that you typed: perhaps a part of it is missing, or it was replaced by a new one."
            )
            remedy = None if sent.by_guest else remedy
        case Key.OF_SUBSCRIPTION:
            advice = _(
                "The subscription, or its key, may have changed a moment ago: send again. "
                "If that does not help, look at your subscription in the profile."
            )
    words = of_reason("SubscriptionKeyNotFound" if sent.key is Key.NONE else "SubscriptionKeyInvalid")
    return Diagnosis(words.hop, str(words.title), advice, remedy=remedy)


def _told(words: Words, wait_seconds: int | None, *, title: str = "") -> Diagnosis:
    return Diagnosis(words.hop, title or str(words.title), str(words.advice), wait_seconds)


def _wait_seconds(answer: Answer) -> int | None:
    """Retry-After in seconds; its other form, a date, is left to the header list."""
    value = answer.header("retry-after")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else None
