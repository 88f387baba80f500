"""Why a call did not succeed: which hop refused or failed, and what to do about it."""

import json
import re
from dataclasses import dataclass
from enum import Enum

from apis.models import API
from portal.console.forward import Answer, Ending, NoAnswer, Silence

# The gateway's own answers have this form, padding included; no JSON library writes it.
_GATEWAY_ANSWER = re.compile(rb'\A\{ "statusCode": (\d{3}), "message": ("(?:[^"\\]|\\.)*")')


class Hop(Enum):
    PORTAL = "Portal"
    GATEWAY = "Gateway"
    BACKEND = "Backend"


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
            "The gateway cannot be reached",
            "The call was not sent. Tell the administrator that the portal gets no connection to the gateway.",
        )
    if silence.why is Silence.OUT_OF_TIME:
        return Diagnosis(
            Hop.GATEWAY,
            f"No answer within {silence.seconds:.0f} seconds",
            "The call was sent and may have been carried out. Call the API from a program if it needs more time.",
        )
    if silence.why is Silence.CANCELLED:
        return Diagnosis(Hop.PORTAL, "Cancelled", "The call may have been carried out.")
    return Diagnosis(
        Hop.GATEWAY,
        "The gateway's answer cannot be read",
        "It closed the connection early, or sent something other than HTTP. The call may have been carried out.",
    )


def of_answer(answer: Answer, sent: Sent) -> Diagnosis | None:
    """None where nothing went wrong."""
    if answer.status < 400:
        return _of_ending(answer)
    message = _message_of_gateway(answer)
    if message is None:
        return _of_backend(answer)
    return _of_gateway(answer, message, sent)


def _of_ending(answer: Answer) -> Diagnosis | None:
    """A success whose body never came to its end is none."""
    came = f"{len(answer.body):,}"
    length = answer.header("content-length")
    if length.isascii() and length.isdigit():
        came += f" of {int(length[:18]):,}"
    match answer.ending:
        case Ending.BROKEN_OFF:
            return Diagnosis(
                Hop.BACKEND,
                f"The answer broke off after {came} bytes",
                "The backend closed the connection before the end, and the gateway passed on what there was. "
                "Send again, or give the publisher the request id.",
            )
        case Ending.OUT_OF_TIME:
            return Diagnosis(
                Hop.BACKEND,
                f"The answer had not ended after {answer.seconds:.0f} seconds",
                f"The backend had sent {came} bytes until then; the console waits no longer. "
                "Call the API from a program if it needs more time.",
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
            return Diagnosis(
                Hop.GATEWAY, message, "Wait, or choose a subscription that has calls left.", wait_seconds=wait
            )
        case 429:
            return Diagnosis(
                Hop.GATEWAY,
                "Too many calls with this subscription",
                "Wait, or choose a subscription that has no such limit.",
                wait_seconds=wait,
            )
        case 404 if sent.scheme not in sent.api.schemes:
            return Diagnosis(
                Hop.GATEWAY,
                f"This API is published for {sent.api.get_scheme_display()} only; "
                f"the gateway is reached by {sent.scheme} here",
                "The gateway answers such calls 404. An administrator can publish the API for HTTP and HTTPS, or let "
                "a TLS proxy stand before the gateway: its URL goes into GATEWAY_URL, its address, and the portal's, "
                "into TRUSTED_PROXIES.",
            )
        case 404:
            return Diagnosis(
                Hop.GATEWAY,
                "The gateway knows no operation with this URL",
                "The operation may have changed: reload the page. If it is new, the gateway has it in a moment.",
            )
        case 502:
            return Diagnosis(
                Hop.BACKEND,
                "The backend did not answer the gateway",
                "The gateway accepted the call, but got no usable answer from the web service behind it. "
                "Send again later, or give the publisher the request id.",
            )
        case 504:
            return Diagnosis(
                Hop.BACKEND,
                "The backend took too long",
                "The gateway accepted the call and gave up waiting; the web service may still carry it out. "
                "Give the publisher the request id.",
            )
        case status if status >= 500:
            return Diagnosis(Hop.GATEWAY, message, "Send again later, or give the administrator the request id.", wait)
    return Diagnosis(Hop.GATEWAY, message, "The gateway refused the request before it reached the backend.", wait)


def _of_key(sent: Sent) -> Diagnosis:
    remedy: Remedy | None = Remedy.SIGN_IN if sent.by_guest else Remedy.CHOOSE_KEY
    match sent.key:
        case Key.NONE if sent.by_guest:
            advice = "The keys of your subscriptions are offered here once you have signed in."
        case Key.NONE:
            advice = "Choose one of your subscriptions, or subscribe to a product that contains this API."
        case Key.TYPED:
            advice = "Check the key that you typed: perhaps a part of it is missing, or it was replaced by a new one."
            remedy = None if sent.by_guest else remedy
        case Key.OF_SUBSCRIPTION:
            advice = (
                "The subscription, or its key, may have changed a moment ago: send again. "
                "If that does not help, look at your subscription in the profile."
            )
    title = "This API needs a subscription key" if sent.key is Key.NONE else "The gateway did not accept the key"
    return Diagnosis(Hop.GATEWAY, title, advice, remedy=remedy)


def _of_backend(answer: Answer) -> Diagnosis:
    wait = _wait_seconds(answer)
    match answer.status:
        case 401 | 403:
            advice = (
                "The gateway let the call through; the web service behind it wants other credentials. "
                "Check the Authorization header."
            )
        case 404 | 410:
            advice = "The web service behind the gateway has nothing at this URL. Check the parameters."
        case 429 | 503:
            advice = "The web service behind the gateway takes no call now. Send again later."
        case status if status >= 500:
            advice = "The web service behind the gateway failed. Its answer, below, may say why."
        case _:
            advice = "The web service behind the gateway refused the request. Its answer, below, may say why."
    return Diagnosis(Hop.BACKEND, f"The backend answered {answer.status}", advice, wait_seconds=wait)


def _wait_seconds(answer: Answer) -> int | None:
    """Retry-After in seconds; its other form, a date, is left to the header list."""
    value = answer.header("retry-after")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else None
