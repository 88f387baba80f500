"""The rule that a URL template and its declared template parameters agree."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apis import url_templates

# The bare wildcard has no name to declare; declaring it gives the console a description of it.
BARE_WILDCARD = "*"


def undeclared(template: url_templates.URLTemplate, declared: Sequence[str]) -> list[str]:
    """Names of the template that are not among the declared ones, compared without case, in order."""
    known = {name.lower() for name in declared} | {BARE_WILDCARD}
    return [name for name in template.parameters if name.lower() not in known]


def check_agreement(url_template: str, declared: Sequence[str]) -> None:
    """Refuse a template that names what is not declared, and a declared parameter that it lacks or that is there twice.

    Names are compared without case. Raises ValidationError with an error for each; its `params` hold
    the `name` and, for an error of a declared parameter, its `index`. Raises TemplateError where the
    template itself cannot be read.
    """
    template = url_templates.parse(url_template)
    errors = [
        ValidationError(
            _("The template names {%(name)s} (at character %(character)d), which is not declared."),
            code="undeclared",
            params={"name": name, "character": _place(url_template, name)},
        )
        for name in undeclared(template, declared)
    ]
    used = {name.lower() for name in template.parameters}
    seen: set[str] = set()
    for index, name in enumerate(declared):
        if name.lower() not in used:
            errors.append(
                ValidationError(
                    _("The template has no parameter {%(name)s}."),
                    code="not_in_template",
                    params={"name": name, "index": index},
                )
            )
        elif name.lower() in seen:
            errors.append(
                ValidationError(
                    _("{%(name)s} is declared twice."), code="declared_twice", params={"name": name, "index": index}
                )
            )
        seen.add(name.lower())
    if errors:
        raise ValidationError(errors)


def _place(url_template: str, name: str) -> int:
    """At which character, counted from 1, the template names the parameter."""
    places = (url_template.find("{" + name + "}"), url_template.find("{*" + name + "}"))
    return max(places) + 1
