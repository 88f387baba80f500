from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = _("Audit log")

    def ready(self) -> None:
        from audit.protection import protect_after_migrate
        from audit.watching import watch

        watch()
        post_migrate.connect(protect_after_migrate, sender=self, dispatch_uid="audit.protection")
