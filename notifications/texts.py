"""The text of a mail template: an administrator's own, or the default."""

from django.utils import translation

from notifications import placeholders
from notifications.catalogue import MailTemplate, parameters_of
from notifications.models import MailText
from notifications.rendering import Text


def default_text(template: MailTemplate) -> Text:
    """In the language that is active."""
    return Text(subject=str(template.subject), body="\n\n".join(str(paragraph) for paragraph in template.body))


def text_of(template: MailTemplate, language: str) -> Text:
    """An own text in the language, one for all languages, or the default in the language."""
    own = {text.language: text for text in MailText.objects.filter(template=template.name, language__in=(language, ""))}
    if found := own.get(language) or own.get(""):
        return Text(found.subject, found.body)
    with translation.override(language):
        return default_text(template)


def check(template: MailTemplate, text: Text) -> None:
    """Raises TemplateError where the text cannot be used."""
    for source in (text.subject, text.body):
        placeholders.check(source, parameters_of(template))


def save(template: MailTemplate, language: str, text: Text) -> None:
    """Keep an own text. Raises TemplateError where it cannot be used."""
    check(template, text)
    MailText.objects.update_or_create(
        template=template.name, language=language, defaults={"subject": text.subject, "body": text.body}
    )


def reset(template: MailTemplate, language: str) -> None:
    """Go back to the default."""
    MailText.objects.filter(template=template.name, language=language).delete()
