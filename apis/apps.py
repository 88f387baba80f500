from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ApisConfig(AppConfig):
    name = "apis"
    verbose_name = _("Catalogue")
