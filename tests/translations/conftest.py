"""Rows whose every text is made up, so that a page's own words can be told from them."""

import pytest
from django.utils import timezone

from accounts.models import Group, Team, TeamMembership
from analytics.models import Call, JournalPart
from apis.models import API, Operation, Parameter, Representation, Response
from backends.models import Backend, PoolMember
from feedback import issues
from notifications.models import OutboxMail
from policies.models import ProductPolicy
from portalsettings.models import PortalSettings
from service.models import Service
from subscriptions import lifecycle
from subscriptions.models import Product
from tests.portal.conftest import STARTER_POLICY

MADE_UP = "Zzyzx"


@pytest.fixture
def rows(db, alice, admin_user):
    """One row of each kind, by the names that URLs give them."""
    Service.objects.create(name="zzyzx", organization_name=MADE_UP, administrator_email="zz@example.org")
    backend = Backend.objects.create(name="zzyzx", title=MADE_UP, url="http://zzyzx")
    pool = Backend.objects.create(name="zzyzx-pool", title=MADE_UP, type="Pool")
    PoolMember.objects.create(pool=pool, backend=backend)
    api = API.objects.create(
        name="zzyzx", display_name=MADE_UP, path="zzyzx", backend=backend, description=MADE_UP, scheme="both"
    )
    operation = Operation.objects.create(
        api=api, name="zzyzx", display_name=MADE_UP, method="POST", url_template="/zzyzx/{zz}?zy={zy}"
    )
    for name in ("zz", "zy"):
        Parameter.objects.create(operation=operation, location="template", name=name, type="zstring")
    Parameter.objects.create(operation=operation, location="header", name="zh", type="zstring", default_value=MADE_UP)
    Representation.objects.create(operation=operation, content_type="application/json", example='{"zz": 1}')
    answer = Response.objects.create(operation=operation, status_code=299, description=MADE_UP)
    Representation.objects.create(response=answer, content_type="application/json", example='{"zz": 1}')
    group = Group.objects.create(name="zzyzx", display_name=MADE_UP)
    group.members.add(alice)
    product = Product.objects.create(name="zzyzx", display_name=MADE_UP, description=MADE_UP, state="published")
    product.apis.add(api)
    product.groups.add(group)
    ProductPolicy.objects.create(product=product, document=STARTER_POLICY)
    PortalSettings.objects.update_or_create(pk=1, defaults={"issues": "atOnce"})
    issue = issues.open_issue(api=api, by=alice, title=MADE_UP, description=f"{MADE_UP} {MADE_UP} {MADE_UP}")
    comment = issues.comment(issue, by=alice, text=MADE_UP)
    team = Team.objects.create(name=MADE_UP)
    membership = TeamMembership.objects.create(team=team, user=alice, role="owner")
    other = TeamMembership.objects.create(team=team, user=admin_user, role="member")
    subscription = lifecycle.create(display_name=MADE_UP, by=alice, owner=alice, product=product)
    Call.objects.create(
        at=timezone.now(),
        request_id="00000000-0000-0000-0000-000000000000",
        gateway="zz",
        method="GET",
        url="/zzyzx",
        caller_address="192.0.2.1",
        response_code=200,
        total_ms=1.5,
        request_bytes=0,
        response_bytes=10,
        api_id=api.pk,
        subscription_id=subscription.pk,
    )
    failed = Call.objects.create(
        at=timezone.now(),
        request_id="00000000-0000-0000-0000-000000000001",
        gateway="zz",
        method="GET",
        url="/zzyzx",
        caller_address="192.0.2.1",
        response_code=429,
        error_source="rate-limit",
        error_reason="RateLimitExceeded",
        total_ms=1.5,
        request_bytes=0,
        response_bytes=10,
        api_id=api.pk,
        operation_id=operation.pk,
        subscription_id=subscription.pk,
        request_headers=[["zz", MADE_UP]],
    )
    JournalPart.objects.create(name="zzyzx")
    OutboxMail.objects.create(message=b"zz", sender="zz@example.org", recipients=["zz@example.org"], subject=MADE_UP)
    return {
        "api": api.name,
        "operation": operation.name,
        "product": product.name,
        "subscription_id": subscription.pk,
        "slot": "primary",
        "request_id": failed.request_id,
        "issue_id": issue.pk,
        "comment_id": comment.pk,
        "team_id": team.pk,
        "membership_id": other.pk,
        "own_membership_id": membership.pk,
    }
