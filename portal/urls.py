"""URLs of the whole site."""

from django.contrib import admin
from django.urls import include, path

from portal.views.preferences import choose_language

urlpatterns = [
    path("admin/usage/", include("portal.administration.usage.urls")),
    path("admin/insights/", include("portal.administration.insights.urls")),
    path("admin/", admin.site.urls),
    path("account/", include("accounts.urls")),
    # By this name the administration's menu finds it.
    path("language/", choose_language, name="set_language"),
    path("setup/", include("service.urls")),
    path("", include("portal.pages")),
]
handler400 = "portal.views.errors.bad_request"
