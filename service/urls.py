"""URLs of the first run."""

from django.urls import path

from service import views

app_name = "service"
urlpatterns = [
    path("", views.setup, name="setup"),
    path("next/", views.next_steps, name="next_steps"),
]
