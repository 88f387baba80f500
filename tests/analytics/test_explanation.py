"""Why a call did not go well, in plain words."""

import ast
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from analytics.explanation import Hop, explain
from analytics.models import Call
from gateway.catalogue.cause import NoRoute, Why
from subscriptions.models import Subscription

GATEWAY = Path(__file__).parents[2] / "gateway"


def explained(subscription: Subscription | None = None, **fields):
    return explain(Call(**{"error_reason": "", "backend_code": None} | fields), subscription)


@pytest.mark.parametrize("code", [101, 200, 304])
def test_call_that_went_well_has_no_explanation(code):
    assert explained(response_code=code, backend_code=code) is None


@pytest.mark.parametrize(
    ("reason", "code", "hop", "title"),
    [
        ("SubscriptionKeyNotFound", 401, Hop.GATEWAY, "This API needs a subscription key"),
        ("SubscriptionKeyInvalid", 401, Hop.GATEWAY, "The gateway did not accept the key"),
        ("OperationNotFound", 404, Hop.GATEWAY, "The gateway knows no operation with this URL"),
        ("RateLimitExceeded", 429, Hop.GATEWAY, "Too many calls with this subscription"),
        ("QuotaExceeded", 403, Hop.GATEWAY, "The subscription's quota is used up"),
        ("ClientConnectionFailure", 200, Hop.CALLER, "The caller left before the end"),
        ("BackendConnectionFailure", 502, Hop.BACKEND, "The backend did not answer the gateway"),
        ("Timeout", 504, Hop.BACKEND, "The backend took too long"),
        ("", 500, Hop.BACKEND, "The backend answered 500"),
        ("", 404, Hop.BACKEND, "The backend answered 404"),
    ],
)
def test_hop_and_title_name_what_ended_the_call(reason, code, hop, title):
    found = explained(error_reason=reason, response_code=code)
    assert (found.hop, found.title) == (hop, title)
    assert found.advice
    assert found.remedy


REFUSING = {"failed", "fail", "not_connected", "Refusal", "_refusal", "_refuse_broken", "_break_off"}


def reasons_in(node: ast.AST) -> set[str]:
    words = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))
    return {word for word in words if re.fullmatch("[A-Z][A-Za-z]+", word)}


def reasons_of_the_gateway() -> set[str]:
    """What its code gives to the functions that end a call, or keeps as a reason."""
    found = set()
    for file in GATEWAY.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in REFUSING:
                found |= {word for argument in node.args for word in reasons_in(argument)}
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reason":
                found |= reasons_in(node.value)
    return found


def test_every_reason_that_the_gateway_gives_is_explained():
    reasons = reasons_of_the_gateway()
    assert {"SubscriptionKeyInvalid", "BackendCircuitOpen", "BackendCertificateInvalid", "Loop"} <= reasons
    assert not {one for one in reasons if one in explained(error_reason=one, response_code=500).title}


def test_reason_that_is_not_known_is_named():
    assert explained(error_reason="Elsewhere", response_code=500).title == "The gateway ended the call: Elsewhere"


def test_answer_that_broke_off_is_told_from_one_that_never_came():
    never = explained(error_reason="BackendConnectionFailure", response_code=502)
    broken = explained(error_reason="BackendConnectionFailure", response_code=200, backend_code=200)
    assert never.detail == ""
    assert "It began an answer with status 200, which broke off" in broken.detail


def test_key_of_nobody_is_told_from_one_of_a_subscription_that_is_not_active():
    """Of calls before causes were recorded."""
    unknown = explained(error_reason="SubscriptionKeyInvalid", response_code=401, subscription_id=None)
    assert unknown.detail == "No subscription has this key."
    suspended = Subscription(state=Subscription.State.SUSPENDED)
    known = explained(suspended, error_reason="SubscriptionKeyInvalid", response_code=401, subscription_id=uuid.uuid4())
    assert "Suspended" in known.detail


AT = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
LIMIT = {"kind": "limit", "policy": "rate-limit", "scope": "product", "scope_id": 1, "counts": "calls"}


@pytest.mark.parametrize(
    ("cause", "detail"),
    [
        (
            LIMIT | {"limit": 5, "period_seconds": 60, "retry_after_seconds": 41},
            "The limit that the product has for all calls: 5 calls per minute. "
            "Calls pass again from 2026-03-01 10:00:41 UTC.",
        ),
        (
            LIMIT | {"scope": "api", "counts": "bytes", "limit": 40_960, "period_seconds": 86_400, "policy": "quota"},
            "The limit that the product has for this API: 40 KB per day.",
        ),
        (
            LIMIT | {"scope": "operation", "limit": 1000, "period_seconds": 0},
            "The limit that the product has for this operation: 1,000 calls in all.",
        ),
        ({"kind": "key", "reason": "missing"}, ""),
        ({"kind": "key", "reason": "unknown"}, "No subscription has this key."),
        (
            {"kind": "key", "reason": "expired", "ended_at": "2026-02-28T23:00:00Z"},
            "The subscription of the key expired at 2026-02-28 23:00:00 UTC.",
        ),
        (
            {"kind": "key", "reason": "inactive", "state": "owner"},
            "The account of the subscription's owner was not active.",
        ),
        ({"kind": "key", "reason": "other-api"}, "The key's subscription is for another API."),
        ({"kind": "route", "reason": "no-api"}, "No API has a URL suffix that the path begins with."),
        (
            {"kind": "route", "reason": "malformed", "detail": "The path contains a null character."},
            "The path contains a null character.",
        ),
        ({"kind": "of a later version"}, ""),
    ],
)
def test_cause_says_what_exactly_refused_the_call(cause, detail):
    assert explained(error_reason="X", response_code=400, cause=cause, at=AT).detail.strip() == detail


def test_state_is_told_as_it_was_and_as_it_is_now():
    active = Subscription(state=Subscription.State.ACTIVE)
    cause = {"kind": "key", "reason": "inactive", "state": "suspended"}
    detail = explained(active, error_reason="SubscriptionKeyInvalid", response_code=401, cause=cause).detail
    assert "was in this state: Suspended." in detail
    assert "is in this state now: Active." in detail
    same = explained(
        Subscription(state="suspended"), error_reason="SubscriptionKeyInvalid", response_code=401, cause=cause
    )
    assert "now" not in same.detail


def test_every_cause_that_the_gateway_records_is_said_in_words():
    reasons = {*get_args(Why), *get_args(NoRoute)} - {"missing", "malformed"}
    for reason in reasons:
        cause = {"kind": "key", "reason": reason, "state": "suspended", "ended_at": "2026-02-28T23:00:00Z"}
        assert explained(error_reason="X", response_code=401, cause=cause, at=AT).detail, reason
