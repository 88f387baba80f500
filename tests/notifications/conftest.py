import pytest

from notifications.models import OutboxMail
from notifications.telling import tell_new
from service.models import Service
from subscriptions.models import Product


@pytest.fixture
def service(settings, db) -> Service:
    settings.EMAIL_BACKEND = "notifications.outbox.OutboxBackend"
    settings.PORTAL_URL = "https://portal.example.org"
    return Service.objects.create(
        pk=1, name="demo", organization_name="Demo & Sons", administrator_email="admin@example.org"
    )


@pytest.fixture
def starter(service) -> Product:
    return Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)


@pytest.fixture
def new_mails(service):
    """The mails that are written when the events since the last time are told: recipients and subject."""

    def write() -> list[tuple[list[str], str]]:
        seen = set(OutboxMail.objects.values_list("pk", flat=True))
        tell_new()
        mails = OutboxMail.objects.exclude(pk__in=seen).order_by("pk")
        return [(mail.recipients, mail.subject) for mail in mails]

    return write
