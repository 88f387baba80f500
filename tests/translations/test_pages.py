"""No page shows a text that cannot be translated.

Whatever comes out of gettext is put into marks. What a page shows outside of marks has to be data, or a name that is
the same in every language.
"""

import re
from html.parser import HTMLParser
from uuid import UUID

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone, translation

from accounts.localization import REGIONS, time_zones
from analytics import rollups
from analytics.models import APIQuarter, CallKind, CountryQuarter, UsageQuarter
from apis.models import API, Operation

OPEN, CLOSE = "⟦", "⟧"
# What a browser does not show as words, or shows of machines.
SILENT = {"script", "style", "code", "pre", "kbd", "svg", "template", "textarea"}
SHOWN_ATTRIBUTES = {"aria-label", "title", "placeholder", "alt"}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
# The same in every language: names of products, formats, units, types and HTTP, and examples of what to write.
NAMES = re.compile(
    r"API Management|Google|GitHub|curl|Python|JSON|XML|HTML|SHA-256|UTC|KB|ms\b|[45]xx"
    r"|-----BEGIN CERTIFICATE-----|code=value|x-functions-key: value"
    r"|/jobs/\{jobid\}\?api-version=\{apiversion\}|\bstring\b"
    r"|(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\b|https?\b"
)
# Pages that are not for reading, or that say nothing without what a mail or another page gives.
NOT_READ = {
    "portal:llms": "for programs, in English",
    "portal:health": "for programs, in English",
    "portal:usage_of_key": "for programs, in English",
    "portal:usage_of_person": "for programs, in English",
    "portal:console_download": "what a backend sent",
    "portal:issue_attachment": "what somebody attached",
    "portal:cancel_call": "takes only what a script sends",
    "portal:team_invitation": "needs the link of a mail",
    "account_invitation": "needs the link of a mail",
    "account_address_undo": "needs the link of a mail",
    "account_confirm_email": "needs the link of a mail",
    "account_reset_password_from_key": "needs the link of a mail",
    "mfa_edit_webauthn": "needs a passkey",
    "mfa_remove_webauthn": "needs a passkey",
    "portal:end_session": "takes a POST only",
    "portal:unsubscribe": "needs the link of a mail",
    "portal:preview": "for administrators, who see drafts there",
}
OTHER_SITES = ("socialaccount", "google_", "github_", "microsoft_", "openid_connect_")
GUESTS = ("account_login", "account_signup", "account_reset_password", "account_reset_password_done")


def _urls(resolver, namespace=""):
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _urls(pattern, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield f"{namespace}{pattern.name}", list(pattern.pattern.converters)


PAGES = {
    name: arguments
    for name, arguments in _urls(get_resolver())
    if not name.startswith(("admin:", "service:", "usage:", "insights:", *OTHER_SITES)) and name not in NOT_READ
}
LISTS = sorted(model._meta.label_lower for model in admin.site._registry)


@pytest.fixture
def marked(monkeypatch):
    """Puts marks around what gettext gives."""

    def marking(translate):
        return lambda *arguments: f"{OPEN}{translate(*arguments)}{CLOSE}"

    translation.gettext("")  # Django chooses its functions with the first call.
    for name in ("gettext", "ngettext", "pgettext", "npgettext"):
        monkeypatch.setattr(translation._trans, name, marking(getattr(translation._trans, name)))


class _Words(HTMLParser):
    """What a page says, text by text."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._depth = 0
        self._silent = 0
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        is_silent = (
            tag in SILENT
            or known.get("translate") == "no"
            or "material-symbols-outlined" in (known.get("class") or "")
            or ("lang" in known and tag != "html")
        )
        shown = SHOWN_ATTRIBUTES | (
            {"value"} if known.get("type") in ("submit", "button") and tag == "input" else set()
        )
        if not self._silent:
            self.texts += [outside_of_marks(value)[0] for name, value in attributes if name in shown and value]
        if tag not in VOID:
            self._open.append((tag, is_silent))
            self._silent += is_silent

    def handle_endtag(self, tag):
        while self._open and any(one == tag for one, _ in self._open):
            name, was_silent = self._open.pop()
            self._silent -= was_silent
            if name == tag:
                break

    def handle_data(self, data):
        # A translated sentence may go on behind an element within it.
        outside, self._depth = outside_of_marks(data, self._depth)
        if not self._silent:
            self.texts.append(outside)


def outside_of_marks(text: str, depth: int = 0) -> tuple[str, int]:
    """What stands outside of marks, which may lie within each other, and in how many marks the text ends."""
    outside = []
    for character in text:
        depth += (character == OPEN) - (character == CLOSE)
        if depth == 0 and character != CLOSE:
            outside.append(character)
    return "".join(outside), depth


def data_of_the_rows() -> list[str]:
    """Every text in the database that is no choice of a field, languages and time zones; the longest first."""
    found = {word for language in settings.LANGUAGES for word in language}
    found |= set(time_zones()) | {zone.partition("/")[2].replace("_", " ") for zone in time_zones()}
    found |= set(REGIONS)
    # Django names the rows between products and APIs itself.
    found |= {"Product-api relationships", "Product-api relationship: Product_apis object"}
    for model in apps.get_models():
        fields = [field for field in model._meta.concrete_fields if not field.choices and not field.is_relation]
        for row in model._base_manager.values_list(*(field.attname for field in fields)):
            found |= {str(value) for value in row if value is not None and not isinstance(value, bool)}
    return sorted((one for one in found if len(one) > 1), key=len, reverse=True)


def unmarked(page: str) -> list[str]:
    words, data = _Words(), data_of_the_rows()
    words.feed(page)
    found = []
    for text in words.texts:
        rest = NAMES.sub(" ", text)
        for one in data:
            rest = rest.replace(one, " ")
        if re.search(r"[^\W\d_]{2}", rest):
            found.append(" ".join(text.split()))
    return found


@pytest.mark.parametrize("name", sorted(PAGES))
def test_page_of_the_portal(name, rows, marked, alice, signed_in):
    missing = [argument for argument in PAGES[name] if argument not in rows]
    assert not missing, f"{name}: name a row for it in conftest.py, or say in NOT_READ why it is not read"
    client = Client() if name in GUESTS else signed_in(alice)
    answer = client.get(reverse(name, kwargs={one: rows[one] for one in PAGES[name]}), follow=True)
    assert unmarked(answer.text) == []


@pytest.mark.parametrize("path", ["/", "/apis/", "/products/", "/search/?q=none", "/nothing/"])
def test_page_of_a_guest(path, rows, marked):
    assert unmarked(Client().get(path).text) == []


@pytest.mark.parametrize("kind", ["list", "new", "row", "deletion", "history"])
@pytest.mark.parametrize("label", LISTS)
def test_page_of_the_administration(label, kind, rows, marked, admin_user, signed_in):
    model = apps.get_model(label)
    start, row = f"admin:{label.replace('.', '_')}", model._base_manager.first()
    if kind not in ("list", "new") and row is None:
        pytest.skip("no row")
    names = {"list": "changelist", "new": "add", "row": "change", "deletion": "delete", "history": "history"}
    arguments = [] if kind in ("list", "new") else [row.pk]
    answer = signed_in(admin_user).get(reverse(f"{start}_{names[kind]}", args=arguments), follow=True)
    if answer.status_code != 403:
        assert unmarked(answer.text) == []


def test_first_page_of_the_administration(rows, marked, admin_user, signed_in):
    assert unmarked(signed_in(admin_user).get("/admin/").text) == []


@pytest.mark.parametrize("page", ["", "?period=x&api=y", "rankings/", "by/api/", "by/user/", "by/code/", "by/country/"])
def test_page_of_usage(page, rows, marked, admin_user, signed_in):
    sums = dict.fromkeys(rollups.SUM_FIELDS, 1) | {"total_histogram": b"", "backend_histogram": b""}
    kind = CallKind.objects.create(
        api_id=API.objects.get().pk, operation_id=0, product_id=0, subscription_id=UUID(int=0), user_id=admin_user.pk
    )
    for table in (UsageQuarter, APIQuarter, CountryQuarter):
        table.objects.create(at=timezone.now().replace(minute=0, second=0, microsecond=0), kind=kind, **sums)
    assert unmarked(signed_in(admin_user).get(f"/admin/usage/{page}").text) == []


@pytest.mark.parametrize(
    "page", ["funnel", "quotas", "uncalled", "deprecated", "deprecated-api", "deprecated-operation"]
)
def test_page_of_insights(page, rows, marked, admin_user, signed_in):
    api, operation = API.objects.get(), Operation.objects.get()
    for one in (api, operation):
        one.deprecated_at = timezone.now()
        one.save()
    pk = {"deprecated-api": [api.pk], "deprecated-operation": [operation.pk]}.get(page, [])
    assert unmarked(signed_in(admin_user).get(reverse(f"insights:{page}", args=pk)).text) == []


def test_setting_up(db, marked, settings):
    assert unmarked(Client().get("/setup/").text) == []
