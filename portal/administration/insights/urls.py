from django.urls import path

from portal.administration.insights.deprecated import deprecated, deprecated_callers
from portal.administration.insights.funnel import funnel
from portal.administration.insights.quotas import quotas
from portal.administration.insights.uncalled import uncalled

app_name = "insights"
urlpatterns = [
    path("funnel/", funnel, name="funnel"),
    path("quotas/", quotas, name="quotas"),
    path("uncalled/", uncalled, name="uncalled"),
    path("deprecated/", deprecated, name="deprecated"),
    path("deprecated/api/<int:pk>/", deprecated_callers, {"kind": "api"}, name="deprecated-api"),
    path("deprecated/operation/<int:pk>/", deprecated_callers, {"kind": "operation"}, name="deprecated-operation"),
]
