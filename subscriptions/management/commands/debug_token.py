"""Makes a debug token for calls from outside the console."""

import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.telemetry.debug_token import DEFAULT_SECONDS, LONGEST_SECONDS, make_token, token_secret
from subscriptions.models import Subscription


class Command(BaseCommand):
    help = "Print a token for Apim-Debug-Authorization: calls that carry it can be traced."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("subscription", nargs="?", type=UUID, help="its id; without one, calls of all are traced")
        parser.add_argument("--seconds", type=int, default=DEFAULT_SECONDS, help=f"at most {LONGEST_SECONDS}")

    def handle(self, *args: Any, subscription: UUID | None, seconds: int, **options: Any) -> None:
        if subscription is not None:
            allows = Subscription.objects.filter(pk=subscription).values_list("allow_tracing", flat=True).first()
            if allows is None:
                raise CommandError("There is no such subscription.")
            if not allows:
                raise CommandError("This subscription does not allow tracing.")
        try:
            token = make_token(
                token_secret(settings.KEY_ENCRYPTION_KEY),
                subscription.bytes if subscription is not None else None,
                time.time(),
                seconds,
            )
        except ValueError as error:
            raise CommandError(f"--seconds: {error}.") from error
        self.stdout.write(token)
