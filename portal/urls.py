"""URLs of the whole site."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("account/", include("accounts.urls")),
    path("setup/", include("service.urls")),
    path("", include("portal.pages")),
]
handler400 = "portal.views.errors.bad_request"
