"""The language and the time zone of pages: the profile's, else the browser's, else the service's."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from accounts.localization import as_read_by


def language_of(answer) -> str:
    return answer.text.partition('<html lang="')[2][:2]


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        pytest.param("hu", "hu", id="one that there is"),
        pytest.param("de-AT,en;q=0.5", "de", id="of another country"),
        pytest.param("fr,hu;q=0.3", "hu", id="the second choice"),
        pytest.param("fr", "en", id="none that there is"),
        pytest.param("x" * 5000, "en", id="nonsense"),
    ],
)
def test_a_guest_reads_what_the_browser_asks_for(service, accepted, spoken):
    answer = Client(headers={"Accept-Language": accepted}).get("/")
    assert (language_of(answer), answer["Content-Language"]) == (spoken, spoken)
    assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", "))


def test_a_guest_chooses_a_language(service):
    client = Client(headers={"Accept-Language": "hu"})
    chosen = client.post("/language/", {"language": "de", "next": "/apis/?q=echo"})
    assert chosen.headers["Location"] == "/apis/?q=echo"
    assert language_of(client.get("/")) == "de"


@pytest.mark.parametrize("language", ["fr", "xx", "", "../../etc"])
def test_a_language_that_there_is_not_changes_nothing(service, alice, signed_in, language):
    client = signed_in(alice)
    client.post("/language/", {"language": language, "next": "/"})
    alice.refresh_from_db()
    assert (alice.language, language_of(client.get("/"))) == ("", "en")


def test_choosing_a_language_leads_to_no_other_site(service):
    chosen = Client().post("/language/", {"language": "de", "next": "https://evil.example.org/"})
    assert chosen.headers["Location"] == "/"


def test_choosing_a_language_needs_the_token_of_a_page(service):
    assert Client(enforce_csrf_checks=True).post("/language/", {"language": "de"}).status_code == 403


def test_opening_the_chooser_changes_nothing(service, alice, signed_in):
    signed_in(alice).get("/language/?language=de")
    alice.refresh_from_db()
    assert alice.language == ""


def test_the_profile_keeps_the_chosen_language(service, alice, signed_in):
    signed_in(alice).post("/language/", {"language": "hu", "next": "/"})
    assert language_of(signed_in(alice).get("/")) == "hu"


def test_the_language_can_be_chosen_before_there_is_a_service(db):
    client = Client()
    client.post("/language/", {"language": "hu", "next": "/setup/"})
    assert language_of(client.get("/setup/")) == "hu"


def test_the_administration_speaks_the_language_of_the_profile(service, admin_user, signed_in):
    client = signed_in(admin_user)
    assert 'action="/language/"' in client.get("/admin/").text
    client.post("/language/", {"language": "de", "next": "/admin/"})
    assert client.get("/admin/")["Content-Language"] == "de"


def test_who_signs_up_gets_mails_in_the_language_of_the_page(service, django_user_model):
    password = "correct horse battery"
    Client(headers={"Accept-Language": "hu"}).post(
        "/account/signup/",
        {
            "email": "new@example.org",
            "password1": password,
            "password2": password,
            "first_name": "New",
            "last_name": "Person",
        },
    )
    assert django_user_model.objects.get(email="new@example.org").language == "hu"


def test_language_and_time_zone_are_kept_in_the_profile(service, alice, signed_in):
    saved = signed_in(alice).post("/profile/language/", {"language": "de", "time_zone": "Europe/Budapest"}, follow=True)
    alice.refresh_from_db()
    assert (alice.language, alice.time_zone) == ("de", "Europe/Budapest")
    assert saved["Content-Language"] == "de"


@pytest.mark.parametrize("wrong", [{"language": "fr"}, {"time_zone": "Mars/Olympus"}, {"time_zone": "../passwd"}])
def test_what_there_is_not_is_refused_and_nothing_is_saved(service, alice, signed_in, wrong):
    answer = signed_in(alice).post("/profile/language/", {"language": "de", "time_zone": "UTC", **wrong})
    alice.refresh_from_db()
    assert (answer.status_code, alice.language, alice.time_zone) == (200, "", "")
    assert "errorlist" in answer.text


def test_the_profile_has_its_time_zone_rather_than_the_browsers(service, alice, signed_in, monkeypatch):
    alice.time_zone = "Asia/Tokyo"
    alice.save()
    assert zone_of_a_page(signed_in(alice), monkeypatch, cookie="Europe/Berlin") == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        pytest.param("Europe/Berlin", "Europe/Berlin", id="the browser's"),
        pytest.param("Mars/Olympus", "UTC", id="one that there is not"),
        pytest.param("../../etc/passwd", "UTC", id="a path"),
        pytest.param("", "UTC", id="none"),
    ],
)
def test_a_guests_time_zone_is_the_browsers(service, monkeypatch, cookie, zone):
    assert zone_of_a_page(Client(), monkeypatch, cookie=cookie) == zone


def zone_of_a_page(client, monkeypatch, *, cookie) -> str:
    from django.utils import timezone

    zones = []
    client.cookies["apim_time_zone"] = cookie
    monkeypatch.setattr(
        "portal.views.home.offers_to", lambda *_, **__: zones.append(timezone.get_current_timezone_name()) or []
    )
    client.get("/")
    return zones[0]


def test_a_mail_is_written_in_the_language_and_time_of_its_reader(alice):
    from django.template import Context, Template

    alice.language, alice.time_zone = "de", "Europe/Berlin"
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    with as_read_by(alice):
        assert Template("{{ noon|date:'j. F, H:i' }}").render(Context({"noon": noon})) == "1. Juli, 14:00"
