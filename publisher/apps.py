from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PublisherConfig(AppConfig):
    name = "publisher"
    verbose_name = "Gateway"

    def ready(self) -> None:
        from publisher.triggers import install_after_migrate

        post_migrate.connect(install_after_migrate, sender=self, dispatch_uid="publisher.triggers")
