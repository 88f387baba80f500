"""URLs of the first run."""

from django.urls import URLPattern

app_name = "service"
urlpatterns: list[URLPattern] = []
