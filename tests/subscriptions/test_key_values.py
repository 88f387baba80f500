"""Which values of its own a key may have."""

import random
import string
import uuid

import pytest

from subscriptions.key_values import WeakKey, check_value

RANDOM = random.Random(5)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("d41d8cd98f00b204e9800998ecf8427e", id="hexadecimal"),
        pytest.param("3f2504e0-4f89-11d3-9a0c-0305e82c3301", id="a GUID"),
        pytest.param("tGzv3JOkF0XG5Qx2", id="16 characters"),
        pytest.param("".join(RANDOM.choices(string.ascii_letters + string.digits, k=256)), id="256 characters"),
        pytest.param("!~%&#/?=:;<>|^`{}@$*", id="punctuation"),
    ],
)
def test_a_value_that_a_machine_made_up_is_taken(value):
    check_value(value)


def test_random_values_are_hardly_ever_refused():
    for _ in range(500):
        check_value(str(uuid.UUID(int=RANDOM.getrandbits(128), version=4)))
        check_value(f"{RANDOM.getrandbits(128):032x}")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("", "16 to 256", id="nothing"),
        pytest.param("tGzv3JOkF0XG5Qx", "16 to 256", id="too short"),
        pytest.param("tGzv3JOkF0XG5Qx2" * 17, "16 to 256", id="too long"),
        pytest.param("tGzv3JOkF0XG5Qx2 ", "visible ASCII", id="a space"),
        pytest.param("tGzv3JOkF0XG5Qxé", "visible ASCII", id="not ASCII"),
        pytest.param("tGzv3JOkF0XG5Qx2\n", "visible ASCII", id="a line break"),
        pytest.param("aaaaaaaaaaaaaaaa", "different characters", id="one character"),
        pytest.param("abababababababab", "different characters", id="two characters"),
        pytest.param("0123456789abcdef", "repeats itself", id="counting"),
        pytest.param("fedcba9876543210", "repeats itself", id="counting down"),
        pytest.param("contosocontosocontoso", "different characters", id="one word"),
        pytest.param("orders-orders-orders-orders", "repeats itself", id="a word again and again"),
        pytest.param("MySecretPassword-Key1", "repeats itself", id="common words"),
        pytest.param("subscription-key-test", "repeats itself", id="what keys are called"),
    ],
)
def test_a_weak_value_is_refused_and_not_repeated(value, why):
    with pytest.raises(WeakKey, match=why) as caught:
        check_value(value)
    assert not value or value not in str(caught.value)
