from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PortalSettingsConfig(AppConfig):
    name = "portalsettings"
    verbose_name = _("Portal settings")
