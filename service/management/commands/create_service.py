"""`manage.py create_service`: makes the service without a browser."""

import sys
from argparse import ArgumentParser
from getpass import getpass
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from service import first_run
from service.setup import ServiceExists, create_service

MAX_PASSWORD_CHARACTERS = 4096


class Command(BaseCommand):
    help = "Create the service, its administrator and the products Starter and Unlimited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="makes the service's URLs, such as demoazureml")
        parser.add_argument("--organization", required=True, help="shown in the developer portal and in mails")
        parser.add_argument("--email", required=True, help="the administrator's address; receives notifications")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password's line from standard input"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = _read_password(from_stdin=options["password_stdin"])
        try:
            service = create_service(
                name=options["name"],
                organization_name=options["organization"],
                administrator_email=options["email"],
                administrator_password=password,
            )
        except ServiceExists as error:
            raise CommandError("The service exists already; there can be only one.") from error
        except ValidationError as error:
            raise CommandError(_explain(error)) from error
        first_run.forget_setup_code()
        self.stdout.write(f"Service: {service.name}")
        self.stdout.write(f"Gateway: {service.gateway_url}")
        self.stdout.write(f"Administration: {settings.PORTAL_URL}{reverse('admin:index')}")
        if password is None:
            reset = settings.PORTAL_URL + reverse("account_reset_password")
            self.stdout.write(f"No password is set yet. The administrator sets one at {reset}")


def _read_password(*, from_stdin: bool) -> str | None:
    """The password, or None where there is nobody to ask."""
    if from_stdin:
        return sys.stdin.readline(MAX_PASSWORD_CHARACTERS).rstrip("\r\n")
    if not sys.stdin.isatty():
        return None
    password = getpass("Administrator's password (empty: set it by mail later): ")
    if password and getpass("Once more: ") != password:
        raise CommandError("The passwords differ.")
    return password or None


_OPTIONS = {
    "name": "--name",
    "organization_name": "--organization",
    "administrator_email": "--email",
    "administrator_password": "password",
}


def _explain(error: ValidationError) -> str:
    return "\n".join(
        f"{_OPTIONS.get(field, field)}: {' '.join(messages)}" for field, messages in error.message_dict.items()
    )
