"""Text keeps its contrast (WCAG 2.2, 1.4.3 and 1.4.11) in the light and in the dark."""

import re

import pytest
from django.conf import settings

TOKENS = (settings.BASE_DIR / "static/css/tokens.css").read_text()
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", TOKENS)
}
METHODS = ("get", "post", "put", "patch", "delete", "other")
TONES = ("good", "warn", "bad", "info", "neutral")
SURFACES = ("page", "surface", "sunken", "raised", "hover", "code-surface")

TEXT_ON = [
    *((f"method-{method}", f"method-{method}-tint") for method in METHODS),
    *((tone, f"{tone}-tint") for tone in TONES),
    *((text, surface) for text in ("text", "text-soft", "text-faint", "accent") for surface in SURFACES),
    *((f"code-{part}", "code-surface") for part in ("text", "name", "string", "number", "keyword", "comment")),
    *((tone, "surface") for tone in ("good", "warn", "bad")),
    ("on-accent", "accent"),
    ("on-accent", "accent-strong"),
    ("on-bad", "bad"),
    ("accent-strong", "accent-tint"),
]


def _luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "background"), TEXT_ON)
def test_text_can_be_read(text, background, theme):
    assert _contrast(PAIRS[text][theme], PAIRS[background][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("line", ["line-field", "focus"])
def test_edges_of_fields_and_focus_can_be_seen(line, theme):
    assert _contrast(PAIRS[line][theme], PAIRS["surface"][theme]) >= 3
    assert _contrast(PAIRS[line][theme], PAIRS["page"][theme]) >= 3
