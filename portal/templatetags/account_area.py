"""The navigation of the account area."""

from typing import Any

from django import template

from portal import account_area

register = template.Library()


@register.inclusion_tag("portal/_account_area_navigation.html", takes_context=True)
def account_area_navigation(context: dict[str, Any]) -> dict[str, Any]:
    return {"links": account_area.links(context["request"].path)}
