"""From a policy document to the values that the gateway works with.

A document has four sections, each at most once. Below the global scope `<base />` in a section
stands for the policies of the scope around it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.configuration.snapshot import Quota, RateLimit
from policies.attributes import refuse_children, refuse_other_attributes, refuse_text
from policies.document import Element, parse
from policies.elements import REGISTRY
from policies.errors import PolicyError, _
from policies.policy import Policy, Scope, Section
from policies.references import Names, References

__all__ = ["PolicyError", "ProductPolicyValues", "compile_product_policy"]


@dataclass(frozen=True, slots=True)
class ProductPolicyValues:
    """What a product's policy document amounts to."""

    rate_limit: RateLimit | None = None
    quota: Quota | None = None


def compile_product_policy(
    document: str, names: Names, missing: Callable[[PolicyError], None] | None = None
) -> ProductPolicyValues:
    """Raises PolicyError, which says what is wrong and at which line and column.

    Where `missing` is given, a limit of an API or operation that is not there is left out and told to it.
    """
    rate_limit: RateLimit | None = None
    quota: Quota | None = None
    for value in _values(document, Scope.PRODUCT, References(names, missing)):
        if isinstance(value, RateLimit):
            rate_limit = value
        elif isinstance(value, Quota):
            quota = value
    return ProductPolicyValues(rate_limit, quota)


def _values(document: str, scope: Scope, references: References) -> Iterator[object]:
    """The values of all policies, in the document's order."""
    seen: set[str] = set()
    for section, element in _sections(parse(document)):
        for child in _policies_in(element):
            policy = _policy_of(child, section, scope)
            if policy.once_per_document and policy.name in seen:
                raise child.error(_("<%(policy)s> can stand only once in a document"), policy=policy.name)
            seen.add(policy.name)
            yield policy.read(child, references)


def _sections(root: Element) -> Iterator[tuple[Section, Element]]:
    if root.name != "policies":
        raise root.error(_("A policy document is <policies>, not <%(root)s>"), root=root.name)
    refuse_other_attributes(root, known=())
    refuse_text(root)
    names = {section.value: section for section in Section}
    seen: set[str] = set()
    for element in root.children:
        if element.name not in names:
            raise element.error(
                _("<policies> cannot contain <%(element)s>, only %(names)s"),
                element=element.name,
                names=", ".join(names),
            )
        if element.name in seen:
            raise element.error(_("<%(element)s> is there twice"), element=element.name)
        seen.add(element.name)
        refuse_other_attributes(element, known=())
        refuse_text(element)
        yield names[element.name], element


def _policies_in(section: Element) -> Iterator[Element]:
    """A section's children but `<base />`, which is checked."""
    bases = list(section.named("base"))
    if len(bases) > 1:
        raise bases[1].error(_("<base> is there twice in <%(section)s>"), section=section.name)
    for base in bases:
        refuse_other_attributes(base, known=())
        refuse_text(base)
        refuse_children(base)
    return (child for child in section.children if child.name != "base")


def _policy_of(element: Element, section: Section, scope: Scope) -> Policy:
    policy = REGISTRY.get(element.name)
    if policy is None:
        raise element.error(_("<%(element)s> is not a policy that this gateway knows"), element=element.name)
    if section not in policy.sections:
        allowed = ", ".join(sorted(allowed.value for allowed in policy.sections))
        raise element.error(
            _("<%(policy)s> cannot stand in <%(section)s>, only in %(allowed)s"),
            policy=policy.name,
            section=section.value,
            allowed=allowed,
        )
    if scope not in policy.scopes:
        raise element.error(_("<%(policy)s> cannot be used at %(scope)s scope"), policy=policy.name, scope=scope.value)
    return policy
