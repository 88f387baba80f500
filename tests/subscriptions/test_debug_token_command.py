"""Debug tokens for calls from outside the console."""

import time
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from gateway.telemetry.debug_token import read_token, token_secret
from subscriptions import lifecycle
from subscriptions.models import Product


def printed(*arguments) -> str:
    output = StringIO()
    call_command("debug_token", *map(str, arguments), stdout=output)
    return output.getvalue().strip()


def read(token: str, settings):
    return read_token(token_secret(settings.KEY_ENCRYPTION_KEY), token.encode(), time.time())


@pytest.fixture
def alices(alice):
    starter = Product.objects.create(name="starter", display_name="Starter", state=Product.State.PUBLISHED)
    return lifecycle.create(display_name="Mine", by=None, owner=alice, product=starter)


def test_a_token_for_a_subscription(alices, settings):
    alices.allow_tracing = True
    alices.save(update_fields=["allow_tracing"])
    token = read(printed(alices.pk, "--seconds", 60), settings)
    assert token.subscription == alices.pk.bytes
    assert token.expires_at - time.time() == pytest.approx(60, abs=30)


@pytest.mark.django_db
def test_a_token_for_the_whole_service(settings):
    assert read(printed(), settings).subscription is None


def test_what_gets_no_token(alices):
    with pytest.raises(CommandError, match="does not allow tracing"):
        printed(alices.pk)
    with pytest.raises(CommandError, match="no such subscription"):
        printed(uuid.uuid4())
    with pytest.raises(CommandError, match="1 to 86400 seconds"):
        printed("--seconds", 86401)
