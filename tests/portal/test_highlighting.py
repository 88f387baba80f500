"""Examples are shown as they are, in colours."""

import pytest

from portal.highlighting import example_to_html


@pytest.mark.parametrize(
    ("text", "content_type", "html"),
    [
        pytest.param('{"a":1}', "application/json", '<span class="nt">"a"</span>', id="json"),
        pytest.param('{"a":1}', "application/problem+json; charset=utf-8", '<span class="nt">', id="json suffix"),
        pytest.param("{broken", "application/json", "broke", id="broken json"),
        pytest.param("<a>1</a>", "text/xml", '<span class="nt">&lt;a&gt;</span>', id="xml"),
        pytest.param("<b>&", "text/html", "&lt;b&gt;&amp;", id="html is plain text"),
        pytest.param("<b>", "nonsense", "&lt;b&gt;", id="no content type"),
        pytest.param('"<script>"', "application/json", "&lt;script&gt;", id="markup in json"),
        pytest.param("[" * 100_000, "application/json", "[[[", id="deep nesting"),
    ],
)
def test_example(text, content_type, html):
    result = example_to_html(text, content_type)
    assert html in result
    assert "<script" not in result


def test_long_examples_stay_plain():
    assert "<span" not in example_to_html('"' + "x" * 200_000 + '"', "application/json")
