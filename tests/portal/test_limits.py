"""Limits in plain words."""

import pytest

from gateway.configuration.snapshot import Quota, RateLimit
from policies.models import ProductPolicy
from portal.limits import calls_per_period, limits_of


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        pytest.param(RateLimit(5, 60), "5 calls per minute", id="minute"),
        pytest.param(RateLimit(1, 1), "1 call per second", id="one call"),
        pytest.param(RateLimit(10, 90), "10 calls per 90 seconds", id="no whole unit"),
        pytest.param(RateLimit(10, 120), "10 calls per 2 minutes", id="two minutes"),
        pytest.param(Quota(100, 604_800), "100 calls per week", id="week"),
        pytest.param(Quota(1_000_000, 86_400), "1,000,000 calls per day", id="many"),
        pytest.param(Quota(50, 0), "50 calls in all", id="never renewed"),
        pytest.param(Quota(None, 86_400, 40_000), "40,000 KB per day", id="bandwidth"),
        pytest.param(Quota(9, 0, 1), "9 calls and 1 KB in all", id="calls and bandwidth"),
    ],
)
def test_limit_in_words(limit, words):
    assert calls_per_period(limit) == words


def test_product_without_policy_has_no_limits(starter):
    ProductPolicy.objects.all().delete()
    starter.refresh_from_db()
    assert list(limits_of(starter)) == []


def test_policy_that_does_not_compile_is_not_called_limitless(starter):
    starter.policy.document = "<policies"
    assert list(limits_of(starter)) == ["Limits on calls: ask the administrators"]


def test_limits_of_apis_and_operations_say_of_what_they_are(starter, api):
    operation = api.operations.first()
    starter.apis.add(api)
    starter.policy.document = (
        f'<policies><inbound><rate-limit calls="5" renewal-period="60"><api id="{api.name}" calls="2">'
        f'<operation id="{operation.name}" calls="1" /></api></rate-limit></inbound></policies>'
    )
    assert list(limits_of(starter)) == [
        "5 calls per minute",
        f"2 calls per minute of {api.display_name}",
        f"1 call per minute of {operation.display_name}",
    ]
