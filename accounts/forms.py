"""Forms about people."""

from django import forms
from django.http import HttpRequest

from accounts.models import User
from accounts.names import validate_name


class NameForm(forms.Form):
    """A person's name: asked at sign-up, beside the e-mail address and the password, and changed in the profile."""

    first_name = forms.CharField(
        max_length=100, validators=[validate_name], widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    last_name = forms.CharField(
        max_length=100, validators=[validate_name], widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )

    def signup(self, request: HttpRequest, user: User) -> None:
        """Called by allauth when it has made the user."""
        self.rename(user)

    def rename(self, user: User) -> None:
        user.first_name = self.cleaned_data["first_name"]
        user.last_name = self.cleaned_data["last_name"]
        user.save(update_fields=["first_name", "last_name"])
