"""How a change is told: in percent, as so many times, or as none."""

import pytest

from portal.administration.usage.changes import Good, change


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        pytest.param(112, 100, ("+12 %", "up", "bad"), id="a little more"),
        pytest.param(95, 100, ("−5.0 %", "down", "good"), id="a little less"),
        pytest.param(2000, 100, ("× 20", "up", "bad"), id="many times as much"),
        pytest.param(10**12, 100, ("× 10,000,000,000", "up", "bad"), id="as after a month without calls"),
        pytest.param(100_000, 100_001, ("0 %", "same", "neutral"), id="less than is shown"),
        pytest.param(7, 0, ("new", "up", "bad"), id="nothing before"),
        pytest.param(0, 7, ("−100 %", "down", "good"), id="nothing now"),
    ],
)
def test_a_change_is_told_so(now, before, told):
    found = change(now, before, Good.DOWN)
    assert (found.words.replace("\xa0", " "), found.direction, found.tone) == told


def test_nothing_has_changed_where_there_was_nothing():
    assert change(0, 0) is None
