"""URLs of the developer portal's pages."""

from django.urls import path, register_converter

from portal.views import account, catalogue, console, health, home, llms, preferences, products, profile, search
from subscriptions.models import SubscriptionKey


class SlotConverter:
    """The name of one of a subscription's two keys."""

    regex = "|".join(SubscriptionKey.Slot.values)

    def to_python(self, value: str) -> SubscriptionKey.Slot:
        return SubscriptionKey.Slot(value)

    def to_url(self, value: str) -> str:
        return value


register_converter(SlotConverter, "slot")

app_name = "portal"
_subscription = "profile/subscriptions/<uuid:subscription_id>/"
urlpatterns = [
    path("", home.home, name="home"),
    path("search/", search.search, name="search"),
    path("apis/", catalogue.apis, name="apis"),
    path("apis/<slug:api>/", catalogue.api, name="api"),
    path("apis/<slug:api>/<slug:operation>/", catalogue.operation, name="operation"),
    path("apis/<slug:api>/<slug:operation>/send/", console.send, name="send"),
    path("console/cancel/", console.cancel, name="cancel_call"),
    path("console/responses/<uuid:download_id>/<str:name>", console.download, name="console_download"),
    path("products/", products.products, name="products"),
    path("products/<slug:product>/", products.product, name="product"),
    path("products/<slug:product>/subscribe/", products.subscribe, name="subscribe"),
    path("profile/", profile.profile, name="profile"),
    path("profile/account/", account.account, name="account"),
    path("profile/name/", account.name, name="change_name"),
    path("profile/language/", preferences.preferences, name="preferences"),
    path(_subscription, profile.subscription, name="subscription"),
    path(f"{_subscription}rename/", profile.rename, name="rename_subscription"),
    path(f"{_subscription}cancel/", profile.cancel, name="cancel_subscription"),
    path(f"{_subscription}keys/<slot:slot>/", profile.key, name="key"),
    path(f"{_subscription}keys/<slot:slot>/regenerate/", profile.regenerate, name="regenerate_key"),
    path("llms.txt", llms.llms, name="llms"),
    path("health/", health.health, name="health"),
]
