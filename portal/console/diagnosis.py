"""Why a call did not succeed: which hop refused or failed, and what to do about it."""

import json
import re
from dataclasses import dataclass
from enum import Enum

from portal.console.forward import Answer, NoAnswer, Silence

# The gateway's own answers have this form, padding included; no JSON library writes it.
_GATEWAY_ANSWER = re.compile(rb'\A\{ "statusCode": (\d{3}), "message": ("(?:[^"\\]|\\.)*")')


class Hop(Enum):
    PORTAL = "Portal"
    GATEWAY = "Gateway"
    BACKEND = "Backend"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`wait_seconds` is how long the answer asks to wait before the next call."""

    hop: Hop
    title: str
    advice: str
    wait_seconds: int | None = None
    wants_key: bool = False


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
    return Diagnosis(
        Hop.GATEWAY,
        "The gateway's answer cannot be read",
        "It closed the connection early, or sent something other than HTTP. The call may have been carried out.",
    )


def of_answer(answer: Answer, *, key_sent: bool) -> Diagnosis | None:
    """None where nothing went wrong."""
    if answer.status < 400:
        return None
    message = _message_of_gateway(answer)
    if message is None:
        return _of_backend(answer)
    return _of_gateway(answer, message, key_sent)


def _message_of_gateway(answer: Answer) -> str | None:
    found = _GATEWAY_ANSWER.match(answer.body[:4096])
    if not found or int(found[1]) != answer.status:
        return None
    try:
        return str(json.loads(found[2]))
    except ValueError:
        return None


def _of_gateway(answer: Answer, message: str, key_sent: bool) -> Diagnosis:
    wait = _wait_seconds(answer)
    match answer.status:
        case 401 if not key_sent:
            return Diagnosis(
                Hop.GATEWAY,
                "This API needs a subscription key",
                "Choose one of your subscriptions, or subscribe to a product that contains this API.",
                wants_key=True,
            )
        case 401:
            return Diagnosis(
                Hop.GATEWAY,
                "The gateway did not accept the key",
                "The subscription, or its key, may have changed a moment ago: send again. "
                "If that does not help, look at your subscription in the profile.",
                wants_key=True,
            )
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
