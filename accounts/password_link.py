"""The link that an administrator sends to a person, who chooses a new password by it."""

from allauth.account.adapter import get_adapter
from allauth.account.app_settings import PASSWORD_RESET_TOKEN_GENERATOR
from allauth.account.utils import user_pk_to_url_str

from accounts.models import User

MAIL = "account/email/password_reset_by_administrator"


class NotActive(ValueError):
    """Nobody could sign in with the new password."""


def send(user: User) -> None:
    """Mail the link, which works once, as if the person had asked for it. The password stays until it is used."""
    if user.state != User.State.ACTIVE:
        raise NotActive
    adapter = get_adapter()
    url = adapter.get_reset_password_from_key_url(
        f"{user_pk_to_url_str(user)}-{PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)}"
    )
    adapter.send_mail(MAIL, user.email, {"user": user, "password_reset_url": url})
