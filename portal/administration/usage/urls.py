from django.urls import path

from portal.administration.usage.overview import overview
from portal.administration.usage.rankings import rankings
from portal.administration.usage.table import table

app_name = "usage"
urlpatterns = [
    path("", overview, name="overview"),
    path("rankings/", rankings, name="rankings"),
    path("by/<slug:name>/", table, name="table"),
]
