from django.urls import path

from portal.administration.insights.funnel import funnel
from portal.administration.insights.quotas import quotas
from portal.administration.insights.uncalled import uncalled

app_name = "insights"
urlpatterns = [
    path("funnel/", funnel, name="funnel"),
    path("quotas/", quotas, name="quotas"),
    path("uncalled/", uncalled, name="uncalled"),
]
