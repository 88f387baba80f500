"""Who may sign up, and with which address: what administrators decide."""

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from portalsettings.domains import canonical, is_allowed
from portalsettings.models import PortalSettings
from tests.accounts.conftest import NEW
from tests.accounts.test_enumeration import _trace


@pytest.mark.parametrize(("mode", "says"), [("closed", "Sign-up is closed"), ("invitation", "You need an invitation")])
def test_nobody_signs_up_where_sign_up_is_not_open(mode, says):
    PortalSettings.objects.create(sign_up=mode)
    assert says in Client().get("/account/signup/").text
    assert says in Client().post("/account/signup/", NEW).text
    assert not User.objects.exists()
    assert 'href="/account/signup/' not in Client().get("/account/login/").text


@pytest.mark.parametrize("mode", ["open", "invitation", "closed"])
@pytest.mark.parametrize("rules", [{}, {"allowed_domains": "contoso.com"}, {"approval_required": True}], ids=str)
def test_known_and_unknown_addresses_look_the_same_under_all_rules(alice, mode, rules):
    PortalSettings.objects.create(sign_up=mode, **rules)
    known = _trace("/account/signup/", NEW, "email", alice.email)
    assert known == _trace("/account/signup/", NEW, "email", "nobody@example.org")


def test_signing_up_again_and_again_mails_the_owner_once(alice):
    for _ in range(5):
        Client().post("/account/signup/", {**NEW, "email": alice.email})
    assert len(mail.outbox) == 1


def test_one_address_signs_up_a_limited_number_of_people():
    for number in range(20):
        Client().post("/account/signup/", {**NEW, "email": f"a{number}@example.org"})
    answer = Client().post("/account/signup/", NEW)
    assert (answer.status_code, "Too many attempts" in answer.text) == (429, True)


def test_address_at_another_domain_is_told_which_ones_may():
    PortalSettings.objects.create(allowed_domains="contoso.com\n*.contoso.com")
    answer = Client().post("/account/signup/", NEW)
    assert "Use an address at contoso.com, *.contoso.com." in answer.text
    Client().post("/account/signup/", {**NEW, "email": "dora@eu.contoso.com"})
    assert User.objects.get().email == "dora@eu.contoso.com"


def test_changed_address_has_to_be_one_that_could_sign_up(alice, signed_in):
    PortalSettings.objects.create(allowed_domains="example.org")
    client = Client()
    client.post("/account/login/", {"login": alice.email, "password": NEW["password1"]})
    client.post("/account/reauthenticate/", {"password": NEW["password1"]})
    answer = client.post("/account/email/", {"email": "alice@private.example", "action_add": ""})
    assert "Use an address at example.org." in answer.text
    assert not EmailAddress.objects.filter(email="alice@private.example").exists()


def test_password_of_an_account_at_another_domain_can_be_reset(alice):
    PortalSettings.objects.create(allowed_domains="contoso.com")
    Client().post("/account/password/reset/", {"email": alice.email})
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(
    ("email", "patterns", "allowed"),
    [
        pytest.param("a@example.org", [], True, id="no patterns"),
        pytest.param("a@EXAMPLE.org", ["example.org"], True, id="case"),
        pytest.param("a@example.org.evil.net", ["example.org"], False, id="only at its beginning"),
        pytest.param("a@evilexample.org", ["*.example.org"], False, id="only at its end"),
        pytest.param("a@example.org", ["*.example.org"], False, id="a wildcard does not mean the domain itself"),
        pytest.param("a@x.y.example.org", ["*.example.org"], True, id="any depth"),
        pytest.param("a@münchen.example", ["xn--mnchen-3ya.example"], True, id="IDNA"),
        pytest.param('"a@example.org"@evil.net', ["example.org"], False, id="quoted local part"),
    ],
)
def test_domains(email, patterns, allowed):
    assert is_allowed(email, patterns) is allowed


def test_domains_are_kept_in_their_canonical_form():
    assert canonical("*.München.Example") == "*.xn--mnchen-3ya.example"


@pytest.mark.parametrize("pattern", ["", "*", "*.*.org", "a b", "@example.org", "example", "exa_mple.org", ".org"])
def test_what_is_no_domain_is_refused(pattern):
    with pytest.raises(ValidationError):
        canonical(pattern)
