"""What the console's templates show."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from analytics.explanation import Hop
from analytics.models import Call as RecordedCall
from apis.models import API, Operation
from apis.url_templates import SegmentKind
from portal.base_urls import base_urls, scheme_of_calls
from portal.console import content, diagnosis, downloads, keys, samples, url
from portal.console.call import Call
from portal.console.content import Content
from portal.console.diagnosis import Diagnosis, Key, Sent
from portal.console.form import Form, blank
from portal.console.forward import Answer, Ending, NoAnswer
from portal.console.prefill import filled_from
from portal.console.texts import texts
from portal.console.trace import Trace
from portal.http import PageRequest, service_of
from service.models import current
from subscriptions.models import Subscription

_MASK = "••••••••"


@dataclass(frozen=True, slots=True)
class Download:
    url: str
    name: str


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a Send. Without an `answer`, `diagnosis` says why there is none."""

    method: str
    url: str
    subscription: Subscription | None
    diagnosis: Diagnosis | None
    answer: Answer | None = None
    content: Content | None = None
    download: Download | None = None
    headers: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    samples: tuple[str, ...] = ()
    page: str = ""
    trace: Trace | None = None

    @property
    def milliseconds(self) -> int:
        return round(self.seconds * 1000)

    @property
    def reason(self) -> str:
        """The reason phrase as it came, else the usual one."""
        if self.answer is None:
            return ""
        try:
            return self.answer.reason or HTTPStatus(self.answer.status).phrase
        except ValueError:
            return ""

    @property
    def is_whole(self) -> bool:
        """Whether the answer came to its end, or to the console's limit."""
        return self.answer is not None and self.answer.ending in (Ending.COMPLETE, Ending.OVER_LIMIT)

    @property
    def tone(self) -> str:
        """The badge's colour."""
        status = self.answer.status if self.answer is not None else 599
        if status < 400 and not self.is_whole:
            return "warn"
        return "good" if status < 300 else "info" if status < 400 else "warn" if status < 500 else "bad"

    @property
    def hops(self) -> list[dict[str, str | Promise]]:
        """Portal, gateway and backend, each passed, failed or not reached."""
        hops = [Hop.PORTAL, Hop.GATEWAY, Hop.BACKEND]
        failed = hops.index(self.diagnosis.hop) if self.diagnosis is not None else len(hops)
        states = ["passed"] * failed + ["failed"] + ["unreached"] * len(hops)
        return [{"name": hop.label, "state": state} for hop, state in zip(hops, states, strict=False)]

    @property
    def request_id(self) -> str:
        return self.answer.header("x-request-id") if self.answer is not None else ""


@dataclass(frozen=True, slots=True)
class Console:
    """The console of an operation, with its form as it stands and, after a Send, the result."""

    operation: Operation
    form: Form
    offer: keys.Offer
    api_url: str
    is_fresh: bool
    result: Result | None = None

    @property
    def script(self) -> dict[str, Any]:
        """What the page's script must know to write the URL and the samples."""
        template = self.form.template
        return {
            "url": self.api_url,
            "method": self.operation.method,
            "segments": [
                {"kind": part.kind.value, "text": url.literal(part.text)}
                if part.kind is SegmentKind.LITERAL
                else {"kind": part.kind.value, "text": part.text}
                for part in template.segments
            ],
            "query": [
                {
                    "name": part.name,
                    "value": part.value if part.is_parameter else url.literal(part.value),
                    "isParameter": part.is_parameter,
                }
                for part in template.query
            ],
            "keyHeader": self.operation.api.key_header_name,
            "texts": texts(),
            "examples": [{"contentType": one.content_type, "text": one.text} for one in self.form.examples],
        }


def console_of(
    request: PageRequest, operation: Operation, form: Form | None = None, result: Result | None = None
) -> Console:
    """The console for the operation's page; `form` and `result` where something was sent."""
    offer = keys.offer(request.user, operation.api, timezone.now())
    is_fresh = form is None
    if form is None:
        form = blank(operation)
        form.subscription = str(offer.usable[0].pk) if offer.usable else ""
    return Console(
        operation=operation,
        form=form,
        offer=offer,
        api_url=base_urls(operation.api, service_of(request))[0],
        is_fresh=is_fresh,
        result=result,
    )


def console_of_call(request: PageRequest, operation: Operation, call: RecordedCall) -> Console:
    """The console filled in with what a call was made with."""
    console = console_of(request, operation, filled_from(operation, call))
    usable = [str(subscription.pk) for subscription in console.offer.usable]
    if console.form.subscription not in usable:
        console.form.subscription = usable[0] if usable else ""
    return console


def public_url(api: API) -> str:
    """The gateway's address as callers of the API know it."""
    return base_urls(api, current())[0].removesuffix(f"/{api.path}")


def origin(api: API) -> str:
    """The gateway's address as the call seems to come to it; its scheme is one that callers can have, too."""
    service = current()
    assert service is not None
    return f"{scheme_of_calls(api, service)}:{public_url(api).partition(':')[2]}"


def refusal(operation: Operation, title: str, advice: str) -> Result:
    """The portal itself did not send the call."""
    return Result(operation.method, "", None, Diagnosis(Hop.PORTAL, title, advice))


def result_of(
    request: PageRequest,
    form: Form,
    call: Call,
    outcome: Answer | NoAnswer,
    *,
    subscription: Subscription | None,
    key: str | None,
    scheme: str,
    response_limit_bytes: int,
    trace: Trace | None = None,
) -> Result:
    """What to show of an outcome; keeps a body that the page cannot show whole as a download."""
    gateway_url = public_url(form.operation.api)
    same = programs(form, call, key_sent=key is not None)
    if isinstance(outcome, NoAnswer):
        return Result(
            method=call.method,
            url=gateway_url + call.target,
            subscription=subscription,
            diagnosis=diagnosis.of_silence(outcome),
            seconds=outcome.seconds,
            samples=same,
            trace=trace,
        )
    sent = Sent(
        api=form.operation.api,
        scheme=scheme if settings.TRUSTED_PROXIES else settings.GATEWAY_INTERNAL_URL.partition(":")[0],
        key=_key_of(form.operation.api, call, key),
        by_guest=not request.user.is_authenticated,
    )
    shown = content.content_of(
        outcome.body, outcome.header("content-type"), outcome.header("content-encoding"), response_limit_bytes
    )
    return Result(
        method=call.method,
        url=gateway_url + outcome.target,
        subscription=subscription,
        diagnosis=diagnosis.of_answer(outcome, sent),
        answer=outcome,
        content=shown,
        download=_download(request, outcome, shown),
        headers=tuple((name, value.replace(key, _MASK) if key else value) for name, value in outcome.headers),
        notes=(*_notes_on(outcome), *shown.notes),
        seconds=outcome.seconds,
        samples=same,
        page=reverse("portal:operation", args=[form.operation.api.name, form.operation.name]),
        trace=trace,
    )


def _key_of(api: API, call: Call, key: str | None) -> Key:
    if key is not None:
        return Key.OF_SUBSCRIPTION
    is_typed = call.has_header(api.key_header_name) or call.has_query(api.key_query_name)
    return Key.TYPED if is_typed else Key.NONE


def _download(request: PageRequest, answer: Answer, shown: Content) -> Download | None:
    if not shown.body or not (shown.kind is content.Kind.BINARY or shown.is_cut or shown.is_lossy):
        return None
    name = content.file_name(answer.header("content-disposition"), answer.target, shown.media_type)
    return Download(reverse("portal:console_download", args=[downloads.keep(request, shown.body), name]), name)


def _notes_on(answer: Answer) -> tuple[str, ...]:
    match answer.ending:
        case Ending.OVER_LIMIT:
            return (
                _("The console reads at most %(size)s; the answer goes on beyond that.")
                % {"size": filesizeformat(len(answer.body))},
            )
        case Ending.OUT_OF_TIME:
            return (
                _("Incomplete: the end had not come after %(seconds)s seconds.") % {"seconds": f"{answer.seconds:.0f}"},
            )
        case Ending.BROKEN_OFF:
            return (_("Incomplete: the connection broke before the end."),)
    if 300 <= answer.status < 400 and answer.header("location"):
        return (_("The console does not follow redirects."),)
    return ()


def programs(form: Form, call: Call, *, key_sent: bool) -> tuple[str, ...]:
    """What sends the same: for the shell with curl, in Python."""
    api = form.operation.api
    file_name = form.file.name if form.body_kind == "file" and form.file is not None else None
    arguments = (call, public_url(api) + call.target, api.key_header_name if key_sent else None, file_name)
    return (samples.curl(*arguments), samples.python(*arguments))
