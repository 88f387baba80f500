"""Steps of signing in that come after a person has proved who he is."""

from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.shortcuts import redirect

from accounts import custom_fields, terms, user_states
from accounts.models import User

Outcome = tuple[HttpResponse | None, bool]


class ApprovalStage(LoginStage):
    """Who waits for approval gets no further."""

    key = "approval"

    def handle(self) -> Outcome:
        if self.login.user.state != User.State.PENDING:
            return None, True
        user_states.ask_for_approval(self.login.user)
        return redirect("account_waiting"), False


class TermsStage(LoginStage):
    """Who has not accepted the terms in force is asked."""

    key = "terms"
    urlname = "account_terms"

    def handle(self) -> Outcome:
        if not terms.has_to_accept(self.login.user):
            return None, True
        return redirect(self.urlname), True


class ProfileStage(LoginStage):
    """Who has not told what administrators require of everybody is asked: his account may have come another way."""

    key = "profile"
    urlname = "account_profile"

    def handle(self) -> Outcome:
        if not custom_fields.lacks_required(self.login.user):
            return None, True
        return redirect(self.urlname), True
