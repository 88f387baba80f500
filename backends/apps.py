from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BackendsConfig(AppConfig):
    name = "backends"
    verbose_name = _("Backends")
