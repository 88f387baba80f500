"""The built-in groups and who belongs to them."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.management import call_command

from accounts.models import Group


def _names(viewer) -> set[str]:
    return set(Group.objects.of(viewer).values_list("name", flat=True))


def test_built_in_groups_exist_from_the_start():
    assert set(Group.objects.filter(built_in=True).values_list("name", flat=True)) == {
        "administrators",
        "developers",
        "guests",
    }


def test_everybody_is_a_guest_and_whoever_signed_in_a_developer(alice, admin_user):
    assert _names(AnonymousUser()) == {"guests"}
    assert _names(alice) == {"guests", "developers"}
    assert _names(admin_user) == {"guests", "developers", "administrators"}


def test_custom_group_holds_its_members_only(alice, bob):
    Group.objects.create(name="partners", display_name="Partners").members.add(alice)
    assert "partners" in _names(alice)
    assert "partners" not in _names(bob)


@pytest.mark.django_db(transaction=True)
def test_migration_of_the_groups_can_be_taken_back():
    call_command("migrate", "accounts", "0001", verbosity=0)
    assert not Group.objects.exists()
    call_command("migrate", verbosity=0)
    assert Group.objects.count() == 3
