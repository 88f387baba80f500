"""Groups that an identity provider fills."""

import pytest

from accounts import claims
from accounts.claims import apply_claims
from accounts.models import Group


@pytest.fixture
def make_group(db):
    def make(name: str, *, provider: str = "contoso", claim: str = "groups", values: str = "") -> Group:
        return Group.objects.create(
            name=name, display_name=name.title(), provider=provider, claim=claim, claim_values=values or name
        )

    return make


def groups_of(user) -> set[str]:
    return set(Group.objects.of(user).filter(built_in=False).values_list("name", flat=True))


def test_sign_in_puts_into_the_groups_that_are_claimed(make_group, alice):
    make_group("staff"), make_group("board")
    apply_claims(alice, "contoso", {"groups": ["staff", "others"]})
    assert groups_of(alice) == {"staff"}


def test_next_sign_in_takes_out_of_those_that_are_not_claimed_any_more(make_group, alice):
    make_group("staff"), make_group("board")
    apply_claims(alice, "contoso", {"groups": ["staff"]})
    apply_claims(alice, "contoso", {"groups": ["board"]})
    assert groups_of(alice) == {"board"}
    apply_claims(alice, "contoso", {})
    assert groups_of(alice) == set()


def test_membership_by_hand_stays(make_group, alice):
    make_group("staff").members.add(alice)
    Group.objects.create(name="partners", display_name="Partners").members.add(alice)
    apply_claims(alice, "contoso", {"groups": ["staff"]})
    apply_claims(alice, "contoso", {"groups": []})
    assert groups_of(alice) == {"staff", "partners"}


def test_other_providers_and_people_are_left_alone(make_group, alice, bob):
    make_group("staff"), make_group("friends", provider="fabrikam")
    apply_claims(bob, "contoso", {"groups": ["staff"]})
    apply_claims(alice, "fabrikam", {"groups": ["friends", "staff"]})
    apply_claims(alice, "contoso", {"groups": ["friends"]})
    assert (groups_of(alice), groups_of(bob)) == ({"friends"}, {"staff"})


def test_group_without_a_provider_is_claimed_by_none(alice):
    Group.objects.create(name="partners", display_name="Partners")
    apply_claims(alice, "", {"": ""})
    assert groups_of(alice) == set()


def test_one_of_several_values_is_enough(make_group, alice):
    make_group("staff", values="dev\nops")
    apply_claims(alice, "contoso", {"groups": "ops"})
    assert groups_of(alice) == {"staff"}


DEEP: object = "staff"
for _ in range(50):
    DEEP = {"groups": DEEP}


@pytest.mark.parametrize(
    ("path", "held", "values"),
    [
        pytest.param("groups", {"groups": ["a", "b"]}, ["a", "b"], id="a list"),
        pytest.param("groups", {"groups": "a"}, ["a"], id="one value"),
        pytest.param("realm_access.roles", {"realm_access": {"roles": ["a"]}}, ["a"], id="inside an object"),
        pytest.param("groups.name", {"groups": [{"name": "a"}, {"name": "b"}]}, ["a", "b"], id="objects of a list"),
        pytest.param("https://x.org/roles", {"https://x.org/roles": ["a"]}, ["a"], id="a name with dots"),
        pytest.param("groups", {"groups": [1, True, None, 1.5, {}, [["a"]]]}, ["1", "true", "a"], id="other types"),
        pytest.param("groups", {"groups": {"a": "b"}}, [], id="an object is no value"),
        pytest.param("groups.a", {"groups": "a"}, [], id="nothing inside a text"),
        pytest.param("groups", {}, [], id="absent"),
        pytest.param(".".join(["groups"] * 50), DEEP, [], id="too deep"),
        pytest.param(".", {"": {"": "a"}}, ["a"], id="empty names"),
    ],
)
def test_values_of_a_claim(path, held, values):
    assert list(claims.values_of(held, path)) == values


def test_long_claim_is_cut_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(claims, "MAX_VALUES", 2)
    assert list(claims.values_of({"groups": ["a", "b", "c"]}, "groups")) == ["a", "b"]
    assert caplog.messages == ["claim_too_long"]
