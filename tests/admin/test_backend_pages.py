"""Adding, changing and deleting backends and pools in the administration."""

from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apis.models import API
from backends.credentials import credentials_of, put_credentials
from backends.models import Backend, PoolMember
from backends.pairs import HIDDEN
from gateway.configuration.snapshot import Credentials
from tests.admin.page_form import errors_of, fields_of, rows, submit
from tests.backends.certificate_makers import pair_pem

LIST = "/admin/backends/backend/"
ADD, ADD_POOL = f"{LIST}add/", f"{LIST}add/?type=pool"
NEW = {"title": "Orders, Europe", "url": "https://orders.example.org/v1"}
SECRETS = {
    "headers": "X-Functions-Key: s3cret-header\nX-Other: s3cret-other",
    "query": "code=s3cret query",
    "basic_user": "gateway",
    "basic_password": "s3cret:password ",
}
BASIC = ("Authorization", "Basic Z2F0ZXdheTpzM2NyZXQ6cGFzc3dvcmQg")


def page_of(backend: Backend) -> str:
    return reverse("admin:backends_backend_change", args=[backend.pk])


def add(admin, **fields) -> Backend:
    response = submit(admin, ADD, "backend_form", **NEW | fields)
    assert response.status_code == 302, errors_of(response)
    return Backend.objects.latest("pk")


@pytest.fixture
def backend(admin):
    return add(admin, **SECRETS, new_certificate=pair_pem())


def test_backend_is_added(admin):
    backend = add(admin)
    assert (backend.name, backend.type, backend.sealed) == ("orders-europe", "Single", "")
    assert (backend.verify_chain, backend.verify_name, backend.breaker_failures, backend.retry_count) == (
        True,
        True,
        None,
        0,
    )


def test_credentials_are_kept_sealed(backend):
    credentials = credentials_of(backend)
    assert credentials.headers == (
        ("X-Functions-Key", "s3cret-header"),
        ("X-Other", "s3cret-other"),
        BASIC,
    )
    assert credentials.query == (("code", "s3cret query"),)
    assert "BEGIN PRIVATE KEY" in credentials.certificate_pem
    assert "s3cret" not in backend.sealed


def test_credentials_are_not_shown_again(admin, backend):
    for url in (page_of(backend), LIST, reverse("admin:backends_backend_history", args=[backend.pk])):
        page = admin.get(url).content.decode()
        assert "s3cret" not in page
        assert "PRIVATE KEY" not in page
        assert BASIC[1] not in page
        assert backend.sealed not in page
    fields = fields_of(admin.get(page_of(backend)), "backend_form")
    assert fields["headers"] == [f"X-Functions-Key: {HIDDEN}\nX-Other: {HIDDEN}"]
    assert (fields["query"], fields["basic_user"], fields["basic_password"]) == ([f"code={HIDDEN}"], ["gateway"], [""])


def test_page_shows_whose_certificate_it_is_and_how_long(admin, backend):
    page = admin.get(page_of(backend)).content.decode()
    assert "CN=gateway.example.org" in page
    assert f"{datetime.now(UTC) + timedelta(days=400):%Y-%m-%d}" in page


def test_saving_another_field_keeps_the_credentials_as_they_are(admin, backend):
    submit(admin, page_of(backend), "backend_form", title="Other")
    after = Backend.objects.get()
    assert (after.title, after.sealed) == ("Other", backend.sealed)


def test_each_credential_is_replaced_and_removed_on_its_own(admin, backend):
    before = credentials_of(backend)
    submit(admin, page_of(backend), "backend_form", headers=f"x-functions-key: new\nX-Other: {HIDDEN}")
    after = credentials_of(Backend.objects.get())
    assert after.headers == (("x-functions-key", "new"), ("X-Other", "s3cret-other"), BASIC)
    assert (after.query, after.certificate_pem) == (before.query, before.certificate_pem)
    submit(admin, page_of(backend), "backend_form", headers="", query="", basic_user="")
    assert credentials_of(Backend.objects.get()) == Credentials(certificate_pem=before.certificate_pem)
    submit(admin, page_of(backend), "backend_form", new_certificate=pair_pem(name="successor.example.org"))
    assert credentials_of(Backend.objects.get()).certificate_pem not in ("", before.certificate_pem)
    submit(admin, page_of(backend), "backend_form", remove_certificate="on")
    assert Backend.objects.get().sealed == ""


def test_password_is_replaced(admin, backend):
    submit(admin, page_of(backend), "backend_form", basic_password="new")
    assert ("Authorization", "Basic Z2F0ZXdheTpuZXc=") in credentials_of(Backend.objects.get()).headers


def test_credentials_of_another_key_are_told_and_kept_until_new_ones_are_written(admin, backend, settings):
    settings.KEY_ENCRYPTION_KEY = "another" * 8
    assert "sealed with another KEY_ENCRYPTION_KEY" in admin.get(page_of(backend)).content.decode()
    assert "Credentials cannot be read" in admin.get(LIST).content.decode()
    submit(admin, page_of(backend), "backend_form", title="Other")
    assert Backend.objects.get().sealed == backend.sealed
    submit(admin, page_of(backend), "backend_form", headers="X-Key: new")
    assert credentials_of(Backend.objects.get()) == Credentials(headers=(("X-Key", "new"),))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("title", "", "required"),
        ("url", "", "required"),
        ("url", "orders.example.org", "absolute URL"),
        ("url", "https://user:s3cret@host", "do not belong into the URL"),
        ("url", "http://a:99999", "Port out of range"),
        ("url", "http://a b", "There is a space in the URL"),
        ("url", "http://localhost:8081/metrics", "the address of the gateway itself"),
        ("url", "ws://localhost:8080/echo", "the address of the gateway itself"),
        ("name", "a b", "valid “slug”"),
        ("headers", "s3cret", "Line 1: Write name: value."),
        ("headers", "Host: s3cret", "HTTP itself needs the header Host"),
        ("headers", "Via: s3cret", "The gateway itself writes the header Via"),
        ("headers", f"X-Key: {HIDDEN}", "no stored value"),
        ("query", "s3cret", "Line 1: Write name=value."),
        ("basic_user", "a:b", "no colon"),
        ("basic_user", "gateway", "Write the password of this user"),
        ("basic_password", "s3cret", "Write the user name to the password"),
        ("new_certificate", "s3cret", "Give certificates in PEM form"),
        ("new_certificate", pair_pem().partition("-----BEGIN PRIVATE KEY")[0], "Give the private key too"),
        ("new_certificate", pair_pem(days=-1), "give its successor"),
        ("ca_pem", "nonsense", "Give certificates in PEM form"),
        ("connect_seconds", "0", "greater than or equal to 0.1"),
        ("read_seconds", "241", "less than or equal to 240"),
        ("read_seconds", "nan", "Enter a number"),
        ("idle_connections", "-1", "greater than or equal to 0"),
        ("max_connections", "0", "greater than or equal to 1"),
        ("breaker_failures", "0", "greater than or equal to 1"),
        ("breaker_interval_seconds", "", "required"),
        ("breaker_trip_seconds", "86401", "less than or equal to 86400"),
        ("breaker_statuses", "5xx", "neither a status nor a range"),
        ("retry_count", "11", "less than or equal to 10"),
        ("retry_interval_seconds", "-1", "greater than or equal to 0"),
        ("retry_statuses", "599-500", "end comes before its start"),
    ],
)
def test_bad_value_is_refused_with_a_word_what_to_do(admin, field, value, message):
    response = submit(admin, ADD, "backend_form", **NEW | {field: value})
    errors = errors_of(response)
    assert message in errors
    assert "s3cret" not in errors
    assert not Backend.objects.exists()


def test_authorization_comes_from_one_place(admin):
    headers = {"headers": "authorization: Bearer s3cret", "basic_user": "a", "basic_password": "b"}
    assert "take one of the two away" in errors_of(submit(admin, ADD, "backend_form", **NEW | headers))


def test_pool_is_added_by_a_button_of_its_own(admin, backend):
    other = add(admin, title="Orders, America")
    assert admin.get(f"{LIST}add-pool/").headers["Location"] == ADD_POOL
    members = rows("members", {"backend": backend.pk, "priority": 1, "weight": 9}, {"backend": other.pk})
    members |= {"members-1-priority": 2, "members-1-weight": 1}
    response = submit(admin, ADD_POOL, "backend_form", title="Orders", **members)
    assert response.status_code == 302, errors_of(response)
    pool = Backend.objects.get(type="Pool")
    assert (pool.name, pool.url, pool.sealed) == ("orders", "", "")
    assert list(pool.members.values_list("backend", "priority", "weight")) == [(backend.pk, 1, 9), (other.pk, 2, 1)]


@pytest.fixture
def pool(backend):
    pool = Backend.objects.create(name="pool", title="Everywhere", type="Pool")
    PoolMember.objects.create(pool=pool, backend=backend)
    return pool


def test_page_of_a_pool_has_members_and_no_credentials(admin, pool):
    fields = fields_of(admin.get(page_of(pool)), "backend_form")
    assert "members-0-backend" in fields
    assert "url" not in fields
    assert "headers" not in fields
    assert "members-TOTAL_FORMS" not in fields_of(admin.get(page_of(pool.members.get().backend)), "backend_form")


def test_retries_of_a_pool_are_changed(admin, pool):
    submit(admin, page_of(pool), "backend_form", retry_count=2)
    assert Backend.objects.get(pk=pool.pk).retry_count == 2


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (lambda backend, pool: [], "Add at least one backend."),
        (lambda backend, pool: [{"backend": ""}], "Add at least one backend."),
        (lambda backend, pool: [{"backend": pool.pk}], "not one of the available choices"),
        (lambda backend, pool: [{"backend": "x"}], "not one of the available choices"),
        (lambda backend, pool: [{"backend": backend.pk}] * 2, "is in the pool twice"),
        (lambda backend, pool: [{"backend": backend.pk}] * 31, "at most 30 backends"),
        (lambda backend, pool: [{"backend": backend.pk, "priority": 0}], "greater than or equal to 1"),
        (lambda backend, pool: [{"backend": backend.pk, "weight": 101}], "less than or equal to 100"),
    ],
    ids=["none", "an empty row", "a pool", "no id", "one twice", "too many", "priority", "weight"],
)
def test_members_that_cannot_be_are_refused(admin, backend, pool, members, message):
    new = [{"priority": 1, "weight": 1} | member for member in members(backend, pool)]
    response = submit(admin, ADD_POOL, "backend_form", title="Orders", **rows("members", *new))
    assert message in errors_of(response)
    assert Backend.objects.filter(type="Pool").count() == 1


def test_last_member_is_not_taken_away(admin, pool):
    response = submit(admin, page_of(pool), "backend_form", **{"members-0-DELETE": "on"})
    assert "Add at least one backend." in errors_of(response)
    assert pool.members.exists()


def test_backend_says_who_uses_it_and_is_not_deleted_meanwhile(admin, backend, pool, api):
    API.objects.update(backend=pool)
    assert "Everywhere" in admin.get(page_of(backend)).content.decode()
    assert "AzureML Demo API" in admin.get(page_of(pool)).content.decode()
    for used, who in ((backend, "1 pool with Orders, Europe"), (pool, "1 API of Everywhere")):
        url = reverse("admin:backends_backend_delete", args=[used.pk])
        assert who in admin.get(url).content.decode()
        admin.post(url, {"post": "yes"})
        chosen = {"action": "delete_selected", "_selected_action": [used.pk], "post": "yes"}
        assert who in admin.post(LIST, chosen, follow=True).content.decode()
    assert Backend.objects.count() == 2


def test_unused_backends_are_deleted(admin, pool, backend):
    for unused in (pool, backend):
        admin.post(reverse("admin:backends_backend_delete", args=[unused.pk]), {"post": "yes"})
    assert not Backend.objects.exists()


@pytest.mark.parametrize(("days", "state"), [(400, "Ready"), (10, "Certificate ends"), (-1, "Certificate has ended")])
def test_list_tells_of_certificates_that_end(admin, days, state):
    backend = Backend(name="a", title="A", url="https://a")
    put_credentials(backend, Credentials(certificate_pem=pair_pem(days=days)))
    backend.save()
    assert state in admin.get(LIST).content.decode()


def test_list_tells_where_calls_go_and_who_uses_it(admin, pool, backend):
    page = admin.get(LIST).content.decode()
    for text in ("1 backend", "https://orders.example.org/v1", "1 pool", "Nothing"):
        assert text in page


def test_choices_for_a_pool_are_single_backends_and_for_an_api_all(admin, pool, backend):
    def choices(app, model, field):
        query = {"app_label": app, "model_name": model, "field_name": field}
        return {one["text"] for one in admin.get("/admin/autocomplete/", query).json()["results"]}

    assert choices("backends", "poolmember", "backend") == {"Orders, Europe"}
    assert choices("apis", "api", "backend") == {"Orders, Europe", "Everywhere"}


def test_text_of_a_publisher_is_shown_as_text(admin, backend):
    hostile = "<script>alert(1)</script>"
    Backend.objects.update(title=hostile)
    API.objects.create(name="a", display_name=hostile, path="a", backend=backend)
    for url in (page_of(backend), LIST, reverse("admin:backends_backend_delete", args=[backend.pk])):
        assert hostile not in admin.get(url).content.decode()
