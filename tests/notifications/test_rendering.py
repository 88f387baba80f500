"""One Markdown text becomes HTML and plain text, and what people chose stays text in both."""

import pytest
from django.utils import translation

from notifications.catalogue import TEMPLATES, parameters_of, samples_of
from notifications.placeholders import check
from notifications.rendering import Text, render
from notifications.texts import default_text


def rendered(body, **values):
    return render(Text("S", body), {"organization": "Demo", **values})


@pytest.mark.parametrize(
    "value",
    [
        '<script>alert("1")</script>',
        "[click](https://evil.example)",
        "# Heading **bold** _em_ `code` ~~s~~",
        "![x](https://evil.example/x.png) <https://evil.example>",
        "1. one\n- two\n> three\n    code\n| a | b |",
        "&lt;b&gt; &amp; \\ backslash",
        "a\n\n===\n\n---",
    ],
)
def test_value_is_shown_as_it_is(value):
    mail = rendered("Hello {{ comment }}!", comment=value)
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    assert "Hello " + "\n".join(lines) + "!" in mail.text
    for tag in ("<script", "<a ", "<h1", "<strong", "<em", "<code", "<ol", "<ul", "<blockquote", "<img", "<hr", "<pre"):
        assert tag not in mail.html


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "vbscript:x"])
def test_value_as_the_address_of_a_link_opens_only_the_web(url):
    assert "href" not in rendered("[x]({{ comment }})", comment=url).html.partition("<p>Demo")[0]


def test_address_keeps_every_sign():
    url = "https://portal.example.org/a_b/?x=1&y=%2F*#z~(1)"
    mail = rendered("[Open]({{ page_url }})", page_url=url)
    assert f"Open:\n{url}\n" in mail.text
    assert 'href="https://portal.example.org/a_b/?x=1&amp;y=%2F*#z~(1)"' in mail.html


def test_markdown_becomes_readable_lines():
    body = "# Title\n\nSome **bold** text with a [link](https://a.example).\n\n- one\n- two\n\n3. three\n4. four"
    assert rendered(body).text.startswith(
        "Title\n\nSome bold text with a link <https://a.example>.\n\n- one\n\n- two\n\n3. three\n\n4. four"
    )


def test_subject_is_one_line_of_bounded_length():
    mail = render(Text("Re: {{ comment }}", "b"), {"comment": "a\r\nBcc: x@example.org\x00" + "y" * 500})
    assert "\n" not in mail.subject
    assert "\r" not in mail.subject
    assert len(mail.subject) <= 200


@pytest.mark.parametrize("language", ["en", "hu", "de"])
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
def test_default_text_holds_together_and_names_only_its_parameters(template, language):
    with translation.override(language):
        text = default_text(template)
        for source in (text.subject, text.body):
            check(source, parameters_of(template))
        mail = render(text, samples_of(template))
    assert "{{" not in mail.subject + mail.text
    assert mail.subject


def test_the_fourteen_templates_of_azure_are_there():
    assert {
        "applicationApprovedNotificationMessage",
        "accountClosedDeveloper",
        "quotaLimitApproachingDeveloperNotificationMessage",
        "newDeveloperNotificationMessage",
        "emailChangeIdentityDefault",
        "inviteUserNotificationMessage",
        "newCommentNotificationMessage",
        "confirmSignUpIdentityDefault",
        "newIssueNotificationMessage",
        "purchaseDeveloperNotificationMessage",
        "passwordResetIdentityDefault",
        "passwordResetByAdminNotificationMessage",
        "rejectDeveloperNotificationMessage",
        "requestDeveloperNotificationMessage",
    } <= set(TEMPLATES)
