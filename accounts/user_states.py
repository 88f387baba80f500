"""What happens to an account: it waits for approval, is approved or rejected, blocked, and active again.

Who is blocked is signed out at his next request, and his keys stop working as soon as the publisher has seen it.
Subscriptions of his teams go on.
"""

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User, UserStateChange
from events import names
from events.recording import record

State = User.State

# A deleted account has no way back.
TRANSITIONS: dict[str, frozenset[str]] = {
    State.ACTIVE: frozenset({State.BLOCKED}),
    State.BLOCKED: frozenset({State.ACTIVE}),
    State.PENDING: frozenset({State.ACTIVE, State.BLOCKED}),
    State.DELETED: frozenset(),
}
_EVENTS = {State.ACTIVE: names.USER_ACTIVATED, State.BLOCKED: names.USER_BLOCKED}
# Of an account that waited for approval. Who is rejected is blocked, so that the decision can be taken back.
_DECISIONS = {State.ACTIVE: names.USER_APPROVED, State.BLOCKED: names.USER_REJECTED}


class UserStateError(ValueError):
    """The account cannot get into that state; the text says why and is meant for the administrator."""


class WrongUserState(UserStateError):
    def __init__(self, user: User, wanted: State) -> None:
        states = {"state": user.get_state_display(), "wanted": wanted.label}
        super().__init__(_("The account is in the state “%(state)s” and cannot get into “%(wanted)s”.") % states)


class OneselfBlocked(UserStateError):
    def __init__(self) -> None:
        super().__init__(_("You cannot block yourself."))


class LastAdministrator(UserStateError):
    def __init__(self) -> None:
        super().__init__(_("The last administrator stays: nobody else could manage this service."))


def ask_for_approval(user: User) -> None:
    """Let the administrators know, once, that a pending person waits: the address is confirmed."""
    with transaction.atomic():
        asked = User.objects.filter(pk=user.pk, state=State.PENDING, waiting_since=None)
        if asked.update(waiting_since=timezone.now()):
            record(names.USER_WAITING, by=user, user=user)


def change_state(user: User, to: State, *, by: User | None, comment: str = "") -> User:
    """Block an account or make it active; of a pending one this rejects or approves. Raises UserStateError."""
    with transaction.atomic():
        if to == State.BLOCKED:
            _refuse_to_shut_out(user, by)
        row = User.objects.select_for_update().get(pk=user.pk)
        if to not in TRANSITIONS[row.state]:
            raise WrongUserState(row, to)
        was_pending = row.state == State.PENDING
        row.state, row.waiting_since = to, None
        row.save(update_fields=["state", "waiting_since"])
        UserStateChange.objects.create(user=row, by=by, state=to, comment=comment)
        if was_pending:
            record(_DECISIONS[to], by=by, user=row, comment=comment)
        else:
            record(_EVENTS[to], by=by, user=row)
        if to == State.BLOCKED:
            end_sessions(row)
    return row


def end_sessions(user: User) -> None:
    """Sign the person out everywhere, for good: none of the sessions wakes up when the account is active again."""
    for session in UserSession.objects.filter(user=user):
        session.end()


def _refuse_to_shut_out(user: User, by: User | None) -> None:
    if by is not None and by.pk == user.pk:
        raise OneselfBlocked
    refuse_last_administrator(user)


def refuse_last_administrator(user: User) -> None:
    """Raise LastAdministrator where nobody else may do everything; in the transaction that shuts the user out.

    All administrators are locked, for two of them may shut out each other at the same time.
    """
    administrators = User.objects.filter(is_staff=True, is_superuser=True, state=State.ACTIVE).order_by("pk")
    if {one.pk for one in administrators.select_for_update()} == {user.pk}:
        raise LastAdministrator
