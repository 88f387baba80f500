"""What may be said of a deprecated API or operation."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from apis.models import API, Operation

SINCE = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def api(db):
    return API.objects.create(name="old", display_name="Old", path="old", service_url="http://b")


def errors_of(row, **fields):
    for name, value in fields.items():
        setattr(row, name, value)
    try:
        row.full_clean()
    except ValidationError as error:
        return error.message_dict
    return {}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"sunset_at": SINCE}, "deprecated_at", id="a sunset alone"),
        pytest.param({"migration_url": "https://www.test"}, "deprecated_at", id="a page alone"),
        pytest.param(
            {"deprecated_at": SINCE, "sunset_at": SINCE - timedelta(seconds=1)}, "sunset_at", id="a sunset before"
        ),
        pytest.param({"deprecated_at": SINCE, "migration_url": "javascript:alert(1)"}, "migration_url", id="a script"),
        pytest.param({"deprecated_at": SINCE, "migration_url": "ftp://www.test"}, "migration_url", id="no web page"),
        pytest.param({"deprecated_at": SINCE, "migration_url": "/moving"}, "migration_url", id="a path"),
        pytest.param(
            {"deprecated_at": SINCE, "migration_url": "https://a:b@www.test"}, "migration_url", id="a password"
        ),
        pytest.param(
            {"deprecated_at": SINCE, "migration_url": "https://www.test\r\nX: y"}, "migration_url", id="two lines"
        ),
        pytest.param(
            {"deprecated_at": SINCE, "migration_url": "https://www.test/" + "ü" * 900}, "migration_url", id="too long"
        ),
    ],
)
def test_what_makes_no_sense_is_refused(api, fields, field):
    assert field in errors_of(api, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"deprecated_at": SINCE},
        {"deprecated_at": SINCE, "sunset_at": SINCE},
        {"deprecated_at": SINCE, "migration_url": "https://www.test/how?a=b#c"},
    ],
)
def test_what_makes_sense_is_taken(api, fields):
    assert errors_of(api, **fields) == {}


def test_nothing_is_its_own_successor(api):
    operation = Operation(api=api, name="q", display_name="Q", method="GET", url_template="/q")
    assert "successor" in errors_of(api, deprecated_at=SINCE, successor=api)
    assert "successor" in errors_of(operation, deprecated_at=SINCE, successor=api)


def test_the_database_keeps_the_sunset_behind_the_deprecation(api):
    with pytest.raises(IntegrityError):
        API.objects.update(sunset_at=SINCE)


def test_an_api_whose_successor_is_deleted_has_none(api):
    successor = API.objects.create(name="new", display_name="New", path="new", service_url="http://b")
    API.objects.filter(pk=api.pk).update(deprecated_at=SINCE, successor=successor)
    successor.delete()
    api.refresh_from_db()
    assert (api.deprecation.since, api.deprecation.successor_id) == (SINCE, None)
