"""URLs of accounts: allauth's, and what we do in another way."""

from allauth.urls import urlpatterns as allauth_urlpatterns
from django.urls import path
from django.views.generic import RedirectView

from accounts import views

# The account area shows them among the rest.
_security = RedirectView.as_view(pattern_name="portal:security")
_sessions = RedirectView.as_view(pattern_name="portal:sessions")

urlpatterns = [
    path("confirm-email/<str:key>/", views.confirm_email, name="account_confirm_email"),
    path("email/undo/<str:key>/", views.undo_address, name="account_address_undo"),
    path("waiting/", views.waiting, name="account_waiting"),
    path("terms/", views.accept_terms, name="account_terms"),
    path("profile/", views.complete_profile, name="account_profile"),
    path("invitation/<str:token>/", views.invitation, name="account_invitation"),
    path("2fa/", _security, name="mfa_index"),
    path("2fa/webauthn/", _security, name="mfa_list_webauthn"),
    path("sessions/", _sessions, name="usersessions_list"),
    *allauth_urlpatterns,
]
