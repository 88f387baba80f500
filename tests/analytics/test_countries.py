"""Countries of callers: known by the file, told apart in sums, and never a reason for usage to stop."""

from datetime import timedelta

import msgspec
import netaddr
import pytest
from mmdb_writer import MMDBWriter

from analytics import countries, rollups, sums
from analytics.ingest import ingest
from analytics.models import Call, CountryQuarter, PendingCalls
from analytics.reports import azure
from analytics.reports.azure import Query
from analytics.reports.filters import FilterError
from tests.analytics.conftest import NOON, record

pytestmark = pytest.mark.django_db

GERMAN, JAPANESE, UNKNOWN = "203.0.113.7", "2001:db8:1::1", "192.0.2.1"


def write_database(file, networks, shape=lambda code: {"country": {"iso_code": code}}) -> None:
    writer = MMDBWriter(6, ipv4_compatible=True, database_type="Test-Country")
    for network, code in networks.items():
        writer.insert_network(netaddr.IPSet([network]), shape(code))
    writer.to_db_file(str(file))


@pytest.fixture
def database(tmp_path, settings):
    file = tmp_path / "countries.mmdb"
    write_database(file, {"203.0.113.0/24": "DE", "2001:db8::/32": "JP"})
    settings.GEOIP_DATABASE = str(file)
    return file


@pytest.mark.parametrize(
    ("address", "country"),
    [(GERMAN, "DE"), (JAPANESE, "JP"), (UNKNOWN, ""), ("", ""), ("unix:", ""), ("999.1.1.1", ""), ("\0", "")],
)
def test_an_address_has_the_country_that_the_file_says(database, address, country):
    assert countries.current().of(address) == country


@pytest.mark.parametrize(
    ("shape", "country"),
    [
        pytest.param(lambda code: {"country": {"iso_code": code}}, "DE", id="MaxMind"),
        pytest.param(lambda code: {"registered_country": {"iso_code": code}}, "DE", id="only registered"),
        pytest.param(lambda code: {"country": "Germany", "country_code": code}, "DE", id="IPinfo Lite"),
        pytest.param(lambda code: {"country": code}, "DE", id="IPinfo"),
        pytest.param(lambda code: {"country": {"iso_code": "<b>"}}, "", id="what is no code"),
        pytest.param(lambda code: {"country": {"iso_code": 7}}, "", id="what is no text"),
        pytest.param(lambda code: code, "", id="another shape"),
    ],
)
def test_files_of_several_makers_are_read(database, shape, country):
    database.unlink()
    write_database(database, {"203.0.113.0/24": "DE"}, shape)
    assert countries.current().of(GERMAN) == country


def test_a_file_that_changes_is_read_again(database):
    assert countries.current().of(GERMAN) == "DE"
    write_database(database, {"203.0.113.0/24": "FR", "198.51.100.0/24": "FR"})
    assert countries.current().of(GERMAN) == "FR"


@pytest.mark.parametrize("content", [None, b"", b"no database", b"\xab\xcd\xefMaxMind.com" * 3])
def test_usage_goes_on_without_a_good_file_which_is_said_once(write, database, tmp_path, caplog, content):
    database.unlink()
    if content is not None:
        database.write_bytes(content)
    for number in range(3):
        write(record(number, caller_address=GERMAN))
        ingest(tmp_path)
    assert list(Call.objects.values_list("country", flat=True)) == [""] * 3
    (said,) = [entry for entry in caplog.records if entry.name == "analytics.countries"]
    assert str(database) in said.getMessage()
    assert str(database) in countries.current().problem
    database.unlink(missing_ok=True)
    write_database(database, {"203.0.113.0/24": "DE"})
    assert (countries.current().of(GERMAN), countries.current().problem) == ("DE", "")


def test_a_country_is_found_before_the_address_is_cut(write, database, tmp_path, settings):
    settings.CALLER_ADDRESSES = "none"
    write(record(1, caller_address=GERMAN))
    ingest(tmp_path)
    assert Call.objects.values_list("country", "caller_address").get() == ("DE", "")


def test_sums_tell_countries_apart_by_api(write, database, tmp_path):
    callers = [(1, GERMAN), (1, GERMAN), (1, JAPANESE), (2, GERMAN), (2, UNKNOWN)]
    for number, (api, address) in enumerate(callers):
        write(record(number * 900, api=api, caller_address=address, response_code=429 if number == 1 else 200))
        ingest(tmp_path)
        rollups.settle()
    rows = azure.by_geo(Query()).rows
    assert [(row["country"], row["callCountTotal"]) for row in rows] == [("DE", 3), (None, 1), ("JP", 1)]
    assert [row["callCountBlocked"] for row in rows] == [1, 0, 0]
    (only,) = azure.by_geo(Query("apiId eq 2 and country eq 'DE'")).rows
    assert (only["country"], only["callCountTotal"]) == ("DE", 1)
    with pytest.raises(FilterError):
        azure.by_geo(Query("userId eq 3"))
    assert sum(CountryQuarter.objects.values_list("success", flat=True)) == 4


def test_countries_are_told_over_any_period(write, database, tmp_path):
    for number in range(10):
        write(record(number * 24 * 3600, caller_address=GERMAN))
    ingest(tmp_path)
    rollups.settle()
    start = (NOON + timedelta(days=2, hours=-1)).isoformat().replace("+00:00", "Z")
    (row,) = azure.by_geo(Query(f"timestamp ge datetime'{start}'")).rows
    assert row["callCountTotal"] == 8


def test_calls_that_wait_over_the_upgrade_are_summed_without_a_country():
    subscription = bytes(16)
    calls = [(2_000_000, (subscription, 1, 2, 3, 4), 200, False, 10, 20, 1000, None)]
    PendingCalls.objects.create(calls=msgspec.msgpack.encode(calls))
    assert sums.decode(msgspec.msgpack.encode(calls)) == [
        (2_000_000, (subscription, 1, 2, 3, 4, ""), 200, False, 10, 20, 1000, None)
    ]
    rollups.settle()
    assert CountryQuarter.objects.values_list("kind__country", "success").get() == ("", 1)
