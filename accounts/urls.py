"""URLs of accounts: allauth's, and what we do in another way."""

from allauth.account.urls import urlpatterns as allauth_urlpatterns
from django.urls import path

from accounts import views

urlpatterns = [
    path("confirm-email/<str:key>/", views.confirm_email, name="account_confirm_email"),
    path("waiting/", views.waiting, name="account_waiting"),
    path("terms/", views.accept_terms, name="account_terms"),
    path("invitation/<str:token>/", views.invitation, name="account_invitation"),
    *allauth_urlpatterns,
]
