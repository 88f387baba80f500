"""The reports of Azure's management API: byApi, byOperation, byProduct, bySubscription, byUser, and so on.

Times are UTC. A `timestamp` is the start of a quarter of an hour, in byRequest a call's own. Ids are
our rows' ids. All but byRequest read roll-ups, and know a call within a minute.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypedDict, TypeVar, cast
from uuid import UUID

from django.db.models import Q

from accounts.models import User
from analytics.models import Call
from analytics.periods import Span
from analytics.reports.filters import Condition, FilterError, Kind, parse, parse_order
from analytics.reports.totals import FIRST, LAST, QUARTER, Key, Selection, Total, by_start, totals
from apis.models import API, Operation
from subscriptions.models import Product, Subscription

DEFAULT_TOP, MOST_TOP = 100, 1000
MOST_SKIP = 100_000
NOBODY = UUID(int=0)

KIND_FIELDS = {
    "apiId": "api_id",
    "operationId": "operation_id",
    "productId": "product_id",
    "subscriptionId": "subscription_id",
    "userId": "user_id",
}
_ID_KINDS = {name: Kind.GUID if name == "subscriptionId" else Kind.NUMBER for name in KIND_FIELDS}
FIELDS = {"timestamp": Kind.TIME, **_ID_KINDS, "name": Kind.TEXT}
GEO_FIELDS = {"timestamp": Kind.TIME, "apiId": Kind.NUMBER, "country": Kind.TEXT}
TIME_FIELDS = {"timestamp": Kind.TIME, **_ID_KINDS}
REQUEST_FIELDS = {
    "timestamp": Kind.TIME,
    **_ID_KINDS,
    "method": Kind.TEXT,
    "url": Kind.TEXT,
    "ipAddress": Kind.TEXT,
    "responseCode": Kind.NUMBER,
    "backendResponseCode": Kind.NUMBER,
    "requestId": Kind.GUID,
}
_CALL_FIELDS = KIND_FIELDS | {
    "timestamp": "at",
    "method": "method",
    "url": "url",
    "ipAddress": "caller_address",
    "responseCode": "response_code",
    "backendResponseCode": "backend_code",
    "requestId": "request_id",
    "apiTime": "total_ms",
    "serviceTime": "backend_ms",
    "requestSize": "request_bytes",
    "responseSize": "response_bytes",
}
_LOOKUPS = {
    "eq": "exact",
    "ge": "gte",
    "gt": "gt",
    "le": "lte",
    "lt": "lt",
    "contains": "contains",
    "startswith": "startswith",
    "endswith": "endswith",
}


class ReportRow(TypedDict):
    """Azure's ReportRecordContract. Times are milliseconds, `bandwidth` is bytes in both directions."""

    name: str | None
    timestamp: datetime | None
    interval: str | None
    country: str | None
    region: str | None
    zip: str | None
    userId: int | None
    productId: int | None
    apiId: int | None
    operationId: int | None
    apiRegion: str | None
    subscriptionId: UUID | None
    callCountSuccess: int
    callCountBlocked: int
    callCountFailed: int
    callCountOther: int
    callCountTotal: int
    bandwidth: int
    cacheHitCount: int
    cacheMissCount: int
    apiTimeAvg: float | None
    apiTimeMin: float | None
    apiTimeMax: float | None
    serviceTimeAvg: float | None
    serviceTimeMin: float | None
    serviceTimeMax: float | None


class RequestRow(TypedDict):
    """Azure's RequestReportRecordContract; `cache` is none until answers are cached."""

    apiId: int | None
    operationId: int | None
    productId: int | None
    userId: int | None
    method: str
    url: str
    ipAddress: str
    backendResponseCode: str | None
    responseCode: int
    responseSize: int
    timestamp: datetime
    cache: str
    apiTime: float
    serviceTime: float | None
    apiRegion: str | None
    subscriptionId: UUID | None
    requestId: UUID
    requestSize: int


_ORDER_FIELDS = frozenset(ReportRow.__annotations__) - {"region", "zip", "apiRegion", "interval"}
_REQUEST_ORDER_FIELDS = frozenset({"timestamp", "apiTime", "serviceTime", "requestSize", "responseSize"})
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Some rows of a report; `count` is that of all, None where nobody counts them."""

    rows: list[_Row]
    has_more: bool
    count: int | None


@dataclass(frozen=True, slots=True)
class Query:
    """What a caller asks of a report, as it stands in the URL."""

    filter: str = ""
    top: int = DEFAULT_TOP
    skip: int = 0
    orderby: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MOST_TOP or not 0 <= self.skip <= MOST_SKIP:
            raise ValueError(f"$top is from 1 to {MOST_TOP}, $skip from 0 to {MOST_SKIP}.")


def by_api(query: Query) -> Page[ReportRow]:
    return _by(query, ["apiId"], lambda keys: _names(API, keys))


def by_operation(query: Query) -> Page[ReportRow]:
    return _by(query, ["operationId", "apiId"], lambda keys: _names(Operation, keys))


def by_product(query: Query) -> Page[ReportRow]:
    return _by(query, ["productId"], lambda keys: _names(Product, keys))


def by_subscription(query: Query) -> Page[ReportRow]:
    return _by(query, ["subscriptionId", "productId", "userId"], lambda keys: _names(Subscription, keys))


def by_user(query: Query) -> Page[ReportRow]:
    return _by(query, ["userId"], lambda keys: {user.pk: user.full_name for user in User.objects.filter(pk__in=keys)})


def by_geo(query: Query) -> Page[ReportRow]:
    """By country. `country` is None for calls from where nobody knows. Regions and zip codes are not told apart."""
    found = totals(_selection(parse(query.filter, GEO_FIELDS)), ["country"])
    rows = [_row(total, country=country or None) for (country,), total in sorted(found.items())]
    return _page(rows, query, default=("callCountTotal", True))


def by_time(query: Query, interval: str) -> Page[ReportRow]:
    """By intervals of ISO 8601, such as PT15M or P1D, that are multiples of a quarter and begin at midnight of 1970."""
    length = parse_interval(interval)
    selection = _selection(parse(query.filter, TIME_FIELDS))
    found = by_start(selection, lambda at: FIRST + (at - FIRST) // length * length)
    rows = [_row(total, timestamp=at, interval=interval) for at, total in sorted(found.items())]
    return _page(rows, query, default=("timestamp", False))


def by_request(query: Query) -> Page[RequestRow]:
    """Single calls, the latest first; those that are kept."""
    conditions = Q()
    for condition in parse(query.filter, REQUEST_FIELDS):
        conditions &= _condition(_CALL_FIELDS[condition.field], condition)
    order = parse_order(
        query.orderby, frozenset({"timestamp", "apiTime", "serviceTime", "requestSize", "responseSize"})
    )
    field, is_descending = order or ("timestamp", True)
    sign = "-" if is_descending else ""
    calls = Call.objects.filter(conditions).order_by(f"{sign}{_CALL_FIELDS[field]}", f"{sign}pk")
    found = list(calls[query.skip : query.skip + query.top + 1])
    return Page(list(map(_request_row, found[: query.top])), len(found) > query.top, None)


def parse_interval(text: str) -> timedelta:
    """Raises ValueError."""
    found = re.fullmatch(r"P(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?)?", text, re.ASCII)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found is not None else (0, 0, 0)
    length = timedelta(days=days, hours=hours, minutes=minutes)
    if not length or length % QUARTER:
        raise ValueError("The interval is a multiple of 15 minutes as ISO 8601 writes it, such as PT15M, PT1H or P1D.")
    return length


def _by(query: Query, fields: Sequence[str], names_of: Any) -> Page[ReportRow]:
    conditions = parse(query.filter, FIELDS)
    found = totals(_selection(conditions), [KIND_FIELDS[field] for field in fields])
    names: Mapping[Any, str] = names_of([key[0] for key in found if key])
    rows = [_row(total, name=names.get(key[0]) if key else None, **_ids(fields, key)) for key, total in found.items()]
    wanted = [condition for condition in conditions if condition.field == "name"]
    rows = [row for row in rows if all(_holds(condition, row["name"]) for condition in wanted)]
    rows.sort(key=lambda row: tuple(str(row[field]) for field in fields))  # type: ignore[literal-required]
    return _page(rows, query, default=("callCountTotal", True))


def _selection(conditions: Iterable[Condition]) -> Selection:
    start, end, kinds, looked_at = FIRST, LAST, Q(), set()
    for condition in conditions:
        if isinstance(condition.value, datetime):
            start, end = _narrowed(start, end, condition.operator, condition.value)
        elif condition.field in KIND_FIELDS or condition.field == "country":
            field = KIND_FIELDS.get(condition.field, "country")
            kinds &= _condition(field, condition)
            looked_at.add(field)
    return Selection(Span(start, max(start, end)), kinds, frozenset(looked_at))


def _narrowed(start: datetime, end: datetime, operator: str, moment: datetime) -> tuple[datetime, datetime]:
    """To quarters that begin at, after or before the moment."""
    moment = min(max(moment, FIRST), LAST)
    at_or_after = FIRST + -(-(moment - FIRST) // QUARTER) * QUARTER
    after = FIRST + ((moment - FIRST) // QUARTER + 1) * QUARTER
    match operator:
        case "ge":
            return max(start, at_or_after), end
        case "gt":
            return max(start, after), end
        case "lt":
            return start, min(end, at_or_after)
        case "le":
            return start, min(end, after)
        case "eq":
            return max(start, at_or_after), min(end, after)
    raise FilterError("A timestamp is compared by ge, gt, le, lt or eq", 0)


def _condition(field: str, condition: Condition) -> Q:
    if condition.operator == "ne":
        return ~Q(**{field: condition.value})
    return Q(**{f"{field}__{_LOOKUPS[condition.operator]}": condition.value})


def _holds(condition: Condition, name: str | None) -> bool:
    text, value = (name or "").casefold(), str(condition.value).casefold()
    match condition.operator:
        case "contains":
            return value in text
        case "startswith":
            return text.startswith(value)
        case "endswith":
            return text.endswith(value)
        case "eq":
            return text == value
        case "ne":
            return text != value
    raise FilterError("A name is compared by eq, ne, contains, startswith or endswith", 0)


def _names(model: Any, keys: Sequence[Any]) -> dict[Any, str]:
    return dict(model.objects.filter(pk__in=keys).values_list("pk", "display_name"))


def _ids(fields: Sequence[str], key: Key) -> dict[str, Any]:
    return {field: value if value not in (0, NOBODY) else None for field, value in zip(fields, key, strict=True)}


def _row(total: Total, **fields: Any) -> ReportRow:
    nothing: dict[str, Any] = dict.fromkeys(ReportRow.__annotations__)
    counts = {
        "callCountSuccess": total.success,
        "callCountBlocked": total.blocked,
        "callCountFailed": total.failed,
        "callCountOther": total.other,
        "callCountTotal": total.calls,
        "bandwidth": total.request_bytes + total.response_bytes,
        "cacheHitCount": total.cache_hits,
        "cacheMissCount": total.cache_misses,
        "apiTimeAvg": _milliseconds(total.total_sum / total.calls) if total.calls else None,
        "apiTimeMin": _milliseconds(total.total_min),
        "apiTimeMax": _milliseconds(total.total_max),
        "serviceTimeAvg": _milliseconds(total.backend_sum / total.backend_calls) if total.backend_calls else None,
        "serviceTimeMin": _milliseconds(total.backend_min),
        "serviceTimeMax": _milliseconds(total.backend_max),
    }
    return cast(ReportRow, nothing | fields | counts)


def _milliseconds(microseconds: float | None) -> float | None:
    return microseconds / 1000 if microseconds is not None else None


def _page(rows: list[ReportRow], query: Query, *, default: tuple[str, bool]) -> Page[ReportRow]:
    field, is_descending = parse_order(query.orderby, _ORDER_FIELDS) or default
    known = [row for row in rows if row[field] is not None]  # type: ignore[literal-required]
    unknown = [row for row in rows if row[field] is None]  # type: ignore[literal-required]
    known.sort(key=lambda row: row[field], reverse=is_descending)  # type: ignore[literal-required]
    ordered = known + unknown
    end = query.skip + query.top
    return Page(ordered[query.skip : end], len(ordered) > end, len(ordered))


def _request_row(call: Call) -> RequestRow:
    return RequestRow(
        apiId=call.api_id,
        operationId=call.operation_id,
        productId=call.product_id,
        userId=call.user_id,
        method=call.method,
        url=call.url,
        ipAddress=call.caller_address,
        backendResponseCode=str(call.backend_code) if call.backend_code is not None else None,
        responseCode=call.response_code,
        responseSize=call.response_bytes,
        timestamp=call.at.astimezone(UTC),
        cache="none",
        apiTime=call.total_ms,
        serviceTime=call.backend_ms,
        apiRegion=call.region or None,
        subscriptionId=call.subscription_id,
        requestId=call.request_id,
        requestSize=call.request_bytes,
    )
