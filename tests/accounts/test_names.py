"""Names of people and of subscriptions do not change the text around them."""

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.names import validate_name
from subscriptions import lifecycle
from subscriptions.models import Subscription

REVERSED = "Alice \u202egpj.exe"


@pytest.mark.parametrize(
    "name",
    ["Zoë O'Brien-Müller", "李小龍", "علی‌رضا", "👩‍💻", "A & <B>"],
    ids=["Latin", "Chinese", "Persian with a non-joiner", "emoji with a joiner", "markup"],
)
def test_name_in_any_script(name):
    validate_name(name)


@pytest.mark.parametrize(
    "character",
    ["\u202e", "\u2066", "\u2069", "\u200e", "\u061c", "\u200b", "\ufeff", "\u2028", "\u00ad", "\n", "\x00", "\x1b"],
    ids=lambda character: f"U+{ord(character):04X}",
)
def test_character_that_is_not_seen_is_refused(character):
    with pytest.raises(ValidationError, match=f"{ord(character):04X}"):
        validate_name(f"a{character}b")


def test_person_cannot_take_such_a_name(alice, signed_in):
    answer = signed_in(alice).post("/profile/name/", {"first_name": REVERSED, "last_name": "B"})
    assert "U+202E cannot be part of a name" in answer.text
    assert User.objects.get().first_name == "Alice"


def test_nobody_can_sign_up_with_such_a_name(service, client):
    new = {"email": "new@example.org", "password1": "staple battery horse", "password2": "staple battery horse"}
    answer = client.post("/account/signup/", new | {"first_name": "N", "last_name": REVERSED})
    assert "U+202E cannot be part of a name" in answer.text
    assert not User.objects.exists()


def test_subscription_cannot_take_such_a_name(alice, signed_in):
    own = lifecycle.create(display_name="Mine", by=None, owner=alice)
    answer = signed_in(alice).post(f"/profile/subscriptions/{own.pk}/rename/", {"display_name": REVERSED})
    assert "U+202E cannot be part of a name" in answer.text
    with pytest.raises(ValidationError):
        lifecycle.create(display_name=REVERSED, by=None)
    assert Subscription.objects.get().display_name == "Mine"
