from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class PublisherConfig(AppConfig):
    name = "publisher"
    verbose_name = _("Gateway")

    def ready(self) -> None:
        from publisher.triggers import install_after_migrate, remove_before_migrate

        pre_migrate.connect(remove_before_migrate, sender=self, dispatch_uid="publisher.triggers")
        post_migrate.connect(install_after_migrate, sender=self, dispatch_uid="publisher.triggers")
