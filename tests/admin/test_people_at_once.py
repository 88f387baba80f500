"""Two administrators who change each other at the same time."""

from functools import partial

from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from tests.admin.page_form import fields_of
from tests.subscriptions.parallel import ON_POSTGRESQL, at_once

pytestmark = ON_POSTGRESQL


def test_two_administrators_do_not_take_each_other_s_rights(service, admin_user, alice, signed_in):
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    acts = []
    for by, of in ((alice, admin_user), (admin_user, alice)):
        client, url = signed_in(by), reverse("admin:accounts_user_change", args=[of.pk])
        values = dict(fields_of(client.get(url), "user_form")) | {"role": Role.NONE.value}
        acts.append(partial(client.post, url, values))
    assert at_once(*acts) == ["done", "done"]
    assert User.objects.filter(is_superuser=True).count() == 1
