from django.apps import AppConfig


class PortalSettingsConfig(AppConfig):
    name = "portalsettings"
    verbose_name = "Portal settings"
