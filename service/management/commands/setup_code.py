"""`manage.py setup_code`: prints the link that opens the first-run page."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.management.base import BaseCommand
from django.urls import reverse

from service.first_run import setup_code
from service.models import current


class Command(BaseCommand):
    help = "Print the link to the set-up page; it works until the service has been created."

    def handle(self, *args: Any, **options: Any) -> None:
        service = current()
        if service is None:
            query = urlencode({"code": setup_code()})
            self.stdout.write(f"Set-up: {settings.PORTAL_URL}{reverse('service:setup')}?{query}")
        else:
            self.stdout.write(f"The service {service.name} exists.")
            self.stdout.write(f"Portal: {settings.PORTAL_URL}")
            self.stdout.write(f"Gateway: {service.gateway_url}")
