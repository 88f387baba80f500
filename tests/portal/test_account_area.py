"""The frame around the pages of a person's account."""

import re

import pytest
from django.test import Client
from django.urls import NoReverseMatch

from portal import account_area

pytestmark = pytest.mark.usefixtures("service")


def _current(page: str) -> list[str]:
    navigation = page.split('class="account-area__navigation"')[1].split("</nav>")[0]
    return re.findall(r'aria-current="true">([^<]+)</a>', navigation)


@pytest.mark.parametrize(("path", "label"), [("/profile/", "Subscriptions"), ("/profile/account/", "Profile")])
def test_page_is_marked_as_the_current_one(path, label, alice, signed_in):
    assert _current(signed_in(alice).get(path).text) == [label]


def test_page_that_does_not_exist_is_not_linked(monkeypatch, alice, signed_in):
    monkeypatch.setattr(account_area, "ENTRIES", (*account_area.ENTRIES, account_area.Entry("portal:none", "None")))
    with pytest.raises(NoReverseMatch):
        account_area.reverse("portal:none")
    assert ">None</a>" not in signed_in(alice).get("/profile/").text


def test_account_page_is_for_who_is_signed_in():
    assert Client().get("/profile/account/")["Location"].startswith("/account/login/")
