"""The form that disconnects an identity provider. It stands apart from `accounts.forms`, as allauth builds on those."""

from allauth.socialaccount.forms import DisconnectForm as BaseForm

from accounts.claims import forget_claims_about


class DisconnectForm(BaseForm):
    def save(self) -> None:
        forget_claims_about(self.request.user, self.cleaned_data["account"].provider)
        super().save()
