"""Markdown of publishers becomes HTML that cannot harm."""

import pytest

from portal.markdown import to_html, to_text


@pytest.mark.parametrize(
    ("source", "html"),
    [
        pytest.param("**bold**", "<p><strong>bold</strong></p>\n", id="emphasis"),
        pytest.param("`a < b`", "<p><code>a &lt; b</code></p>\n", id="code"),
        pytest.param(
            "[docs](https://example.org/a?b=1&c=2)",
            '<p><a href="https://example.org/a?b=1&amp;c=2" rel="noopener noreferrer nofollow">docs</a></p>\n',
            id="link",
        ),
        pytest.param("| a |\n|---|\n| 1 |", "<table>", id="table"),
        pytest.param("- one\n- two", "<li>one</li>", id="list"),
    ],
)
def test_markdown_is_rendered(source, html):
    assert html in to_html(source)


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "![spy](https://example.org/spy.png)",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&colon;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "<a href='#' onclick='alert(1)'>x</a>",
        "<style>body{display:none}</style>",
        "<svg/onload=alert(1)>",
        "[x](vbscript:msgbox)",
        '[x](https://example.org "\\" onmouseover=alert(1) \\"")',
    ],
)
def test_markup_that_could_harm_is_text_or_gone(source):
    html = to_html(source)
    for harmful in (
        "<script",
        "<img",
        "<style",
        "<svg",
        'href="javascript',
        'href="data',
        'href="vbscript',
        "<a href='",
    ):
        assert harmful not in html
    assert " onmouseover=" not in html.replace("&quot;", '"').split("title=")[0]


def test_deep_nesting_is_bounded():
    assert to_html("> " * 10_000 + "x")
    assert to_html("[" * 10_000)


def test_text_alone_has_no_markup():
    assert to_text("# Hello\n\n*good* <b>day</b> & `a < b`") == "Hello good <b>day</b> & a < b"
