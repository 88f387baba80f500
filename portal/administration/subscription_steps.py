"""The steps with subscriptions: approve, reject, suspend, activate, cancel."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

from portal.administration.steps import Step, Steps
from subscriptions import lifecycle
from subscriptions.models import Subscription

State = Subscription.State

_STEPS = {
    step.name: step
    for step in (
        Step(
            "approve",
            _("Approve"),
            ngettext_lazy("Approve this subscription?", "Approve %(count)s subscriptions?", "count"),
            ngettext_lazy("%(count)s subscription is now active.", "%(count)s subscriptions are now active.", "count"),
            State.ACTIVE,
            frozenset({State.SUBMITTED}),
        ),
        Step(
            "reject",
            _("Reject"),
            ngettext_lazy("Reject this subscription?", "Reject %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now rejected.", "%(count)s subscriptions are now rejected.", "count"
            ),
            State.REJECTED,
            frozenset({State.SUBMITTED}),
        ),
        Step(
            "suspend",
            _("Suspend"),
            ngettext_lazy("Suspend this subscription?", "Suspend %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now suspended.", "%(count)s subscriptions are now suspended.", "count"
            ),
            State.SUSPENDED,
            frozenset({State.ACTIVE}),
        ),
        Step(
            "activate",
            _("Activate"),
            ngettext_lazy("Activate this subscription?", "Activate %(count)s subscriptions?", "count"),
            ngettext_lazy("%(count)s subscription is now active.", "%(count)s subscriptions are now active.", "count"),
            State.ACTIVE,
            frozenset({State.SUSPENDED}),
        ),
        Step(
            "cancel",
            pgettext_lazy("a subscription", "Cancel"),
            ngettext_lazy("Cancel this subscription?", "Cancel %(count)s subscriptions?", "count"),
            ngettext_lazy(
                "%(count)s subscription is now cancelled.", "%(count)s subscriptions are now cancelled.", "count"
            ),
            State.CANCELLED,
            frozenset({State.SUBMITTED, State.ACTIVE, State.SUSPENDED}),
        ),
    )
}

STEPS = Steps(
    rows=Subscription.objects.select_related("owner", "team", "product", "api"),
    steps=_STEPS,
    columns=(
        (_("Subscription"), lambda row: row.display_name),
        (_("Owner"), lambda row: row.owner_name or str(_("No owner"))),
        (_("Scope"), lambda row: row.scope_name),
        (_("State now"), lambda row: row.get_state_display()),
    ),
    change=lifecycle.change_state,
    refusal=lifecycle.LifecycleError,
    wrong_state=lifecycle.WrongState,
    comment_help=_("The owner of the subscription can read it."),
)
