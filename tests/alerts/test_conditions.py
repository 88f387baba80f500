"""When an alert fires and when it is over, look by look."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.conditions import Limits, Standing, Verdict, step, verdict

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def limits(threshold=10.0, clears_at=5.0, is_least=False, fire_after=0, clear_after=0) -> Limits:
    return Limits(threshold, clears_at, is_least, timedelta(minutes=fire_after), timedelta(minutes=clear_after))


@pytest.mark.parametrize(
    ("value", "most", "least"),
    [
        (None, Verdict.UNKNOWN, Verdict.UNKNOWN),
        (0.0, Verdict.GOOD, Verdict.BAD),
        (4.99, Verdict.GOOD, Verdict.BAD),
        (5.0, Verdict.BETWEEN, Verdict.BAD),
        (9.99, Verdict.BETWEEN, Verdict.BAD),
        (10.0, Verdict.BAD, Verdict.BETWEEN),
        (14.99, Verdict.BAD, Verdict.BETWEEN),
        (15.0, Verdict.BAD, Verdict.GOOD),
    ],
)
def test_a_value_is_good_bad_or_between(value, most, least):
    assert verdict(limits(), value) is most
    assert verdict(limits(clears_at=15.0, is_least=True), value) is least


@pytest.mark.parametrize(("value", "expected"), [(9.99, Verdict.GOOD), (10.0, Verdict.BAD)])
def test_without_a_distance_there_is_nothing_between(value, expected):
    assert verdict(limits(clears_at=10.0), value) is expected


# One letter for each minute: what was found, and whether the alert fires afterwards.
FOUND = {"b": Verdict.BAD, "g": Verdict.GOOD, "-": Verdict.BETWEEN, "?": Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("fire_after", "clear_after", "found", "fires"),
    [
        pytest.param(0, 0, "gbg", ".!.", id="at once"),
        pytest.param(2, 0, "bbbg", "..!.", id="fires when it has held for two minutes"),
        pytest.param(2, 0, "bbgbbb", ".....!", id="a good value begins anew"),
        pytest.param(2, 0, "bb-bbb", ".....!", id="so does one between"),
        pytest.param(2, 0, "bb?bbb", ".....!", id="and one that nobody knows"),
        pytest.param(0, 2, "bggbggg", "!!!!!!.", id="over when it was good for two minutes"),
        pytest.param(0, 0, "b-b--g", "!!!!!.", id="swings around the threshold and fires once"),
        pytest.param(0, 0, "b???g", "!!!!.", id="not over because nobody knows"),
        pytest.param(0, 0, "?g-", "...", id="does not fire because nobody knows"),
        pytest.param(1, 1, "bbggbb", ".!!..!", id="fires again"),
    ],
)
def test_a_row_of_looks(fire_after, clear_after, found, fires):
    standing, last, seen = Standing(), None, ""
    for minute, letter in enumerate(found):
        now = NOON + timedelta(minutes=minute)
        standing = step(limits(fire_after=fire_after, clear_after=clear_after), standing, FOUND[letter], now, last=last)
        seen, last = seen + ("!" if standing.fires else "."), now
    assert seen == fires


def test_two_looks_in_a_minute_change_nothing():
    """It is time that counts, not the number of looks."""
    standing = Standing()
    for second in range(0, 120, 10):
        standing = step(limits(fire_after=2), standing, Verdict.BAD, NOON + timedelta(seconds=second), last=NOON)
    assert standing == Standing(False, NOON)


def test_what_was_not_looked_at_for_long_does_not_count_as_held():
    late = NOON + timedelta(minutes=30)
    standing = Standing(False, NOON)
    assert step(limits(fire_after=10), standing, Verdict.BAD, late, last=NOON) == Standing(False, late)
