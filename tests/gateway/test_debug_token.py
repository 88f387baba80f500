"""Tokens that let a caller see what the gateway does with its calls."""

import base64

import pytest

from gateway.telemetry.debug_token import LONGEST_SECONDS, DebugToken, make_token, read_token, token_secret

SECRET = token_secret("only-for-tests-" + "y" * 40)
ALICE = b"A" * 16
NOW = 1_700_000_000.5


@pytest.mark.parametrize("subscription", [ALICE, None], ids=["a subscription's", "the service's"])
def test_a_token_is_read_until_it_expires(subscription):
    token = make_token(SECRET, subscription, NOW, 60).encode()
    assert read_token(SECRET, token, NOW) == DebugToken(subscription, 1_700_000_060)
    assert read_token(SECRET, token, NOW + 59) is not None
    assert read_token(SECRET, token, NOW + 60) is None


def test_a_token_of_an_hour_is_the_default():
    token = make_token(SECRET, ALICE, NOW).encode()
    assert read_token(SECRET, token, NOW).expires_at == 1_700_003_600


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_SECONDS + 1])
def test_a_token_holds_for_a_day_at_most(seconds):
    with pytest.raises(ValueError, match="1 to 86400 seconds"):
        make_token(SECRET, ALICE, NOW, seconds)


def test_a_token_from_the_future_is_of_no_use():
    token = make_token(SECRET, ALICE, NOW + 2 * LONGEST_SECONDS, 60).encode()
    assert read_token(SECRET, token, NOW) is None


def changed(token: bytes, place: int) -> bytes:
    signed = bytearray(base64.urlsafe_b64decode(token))
    signed[place] ^= 1
    return base64.urlsafe_b64encode(signed)


GOOD = make_token(SECRET, ALICE, NOW).encode()


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"K1", id="a key"),
        pytest.param(b"\xff\x00" * 38, id="no text"),
        pytest.param(GOOD[:-1], id="cut off"),
        pytest.param(GOOD + b"AAAA", id="too long"),
        pytest.param(b"A" * 30_000, id="much too long"),
        pytest.param(changed(GOOD, 0), id="another version"),
        pytest.param(changed(GOOD, 8), id="another time"),
        pytest.param(changed(GOOD, 20), id="another subscription"),
        pytest.param(changed(GOOD, 50), id="another signature"),
        pytest.param(make_token(token_secret("another" * 8), ALICE, NOW).encode(), id="another secret"),
    ],
)
def test_what_is_no_token_is_of_no_use(token):
    assert read_token(SECRET, token, NOW) is None
