"""The steps with users: approve, reject, block, activate."""

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from accounts.models import User
from accounts.user_states import UserStateError, WrongUserState, change_state
from portal.administration.steps import Step, Steps

State = User.State

_STEPS = {
    step.name: step
    for step in (
        Step(
            "approve",
            _("Approve"),
            ngettext_lazy("Approve this user?", "Approve %(count)s users?", "count"),
            ngettext_lazy("%(count)s user is now active.", "%(count)s users are now active.", "count"),
            State.ACTIVE,
            frozenset({State.PENDING}),
            _("Who has waited can sign in, and is told so by e-mail."),
        ),
        Step(
            "reject",
            _("Reject"),
            ngettext_lazy("Reject this user?", "Reject %(count)s users?", "count"),
            ngettext_lazy("%(count)s user is now rejected.", "%(count)s users are now rejected.", "count"),
            State.BLOCKED,
            frozenset({State.PENDING}),
            _("The account stays, blocked, so that the decision can be taken back."),
        ),
        Step(
            "block",
            _("Block"),
            ngettext_lazy("Block this user?", "Block %(count)s users?", "count"),
            ngettext_lazy("%(count)s user is now blocked.", "%(count)s users are now blocked.", "count"),
            State.BLOCKED,
            frozenset({State.ACTIVE}),
            _(
                "Who is blocked is signed out at once, cannot sign in, and his keys stop working within a second. "
                "Subscriptions of his teams go on."
            ),
        ),
        Step(
            "activate",
            _("Activate"),
            ngettext_lazy("Activate this user?", "Activate %(count)s users?", "count"),
            ngettext_lazy("%(count)s user is now active.", "%(count)s users are now active.", "count"),
            State.ACTIVE,
            frozenset({State.BLOCKED}),
            _("Who is active can sign in, and his keys work."),
        ),
    )
}

STEPS = Steps(
    rows=User.objects.order_by("email"),
    steps=_STEPS,
    columns=(
        (_("E-mail address"), lambda row: row.email),
        (_("Name"), lambda row: row.full_name),
        (_("State now"), lambda row: row.get_state_display()),
    ),
    change=change_state,
    refusal=UserStateError,
    wrong_state=WrongUserState,
    comment_help=_("Kept in the history of the account. Who has waited for approval is told it."),
)
