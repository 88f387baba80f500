"""The demo's data: a service, the API of the example backend, two people and their subscriptions.

Loading it again keeps what is there, with the changes that people made; only the backend's address
and key follow, wherever the values of the last load still stand.
"""

import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction

from accounts.models import User
from apis.models import API, Operation, Parameter, Representation, Response
from examples.azureml import catalogue
from feedback import issues
from feedback.models import Issue
from portalsettings.models import PortalSettings
from service.models import current
from service.setup import create_service
from subscriptions import keys, lifecycle, offering
from subscriptions.models import Price, Product, Subscription

SERVICE_NAME = "demoazureml"
ORGANIZATION_NAME = "Contoso"
ADMINISTRATOR_EMAIL = "admin@example.org"
DEVELOPER_EMAIL = "developer@example.org"
FILE_NAME = "demo.json"
PRICES: dict[str, dict[str, Any]] = {
    "starter": {"kind": Price.Kind.FREE},
    "unlimited": {
        "kind": Price.Kind.PER_MONTH_AND_CALLS,
        "currency": "EUR",
        "per_month": Decimal("49"),
        "included_calls": 100_000,
        "per_thousand_calls": Decimal("0.25"),
        "text": "Without VAT",
    },
}
ISSUE_TITLE = "Jobs stay queued at night"
ISSUE = """Between **1:00 and 2:00** my jobs wait for minutes in the state `NotStarted`.

1. Submit and start a job at 1:15.
2. Ask for its state: it is still `NotStarted` at 1:40.
"""
ANSWER = "Thank you. The store is backed up at that hour; we look for another one."


@dataclass(frozen=True, slots=True)
class Demo:
    """Who can sign in, and what opens the gateway and the backend."""

    administrator_email: str
    administrator_password: str = field(repr=False)
    developer_email: str
    developer_password: str = field(repr=False)
    unlimited_key: str = field(repr=False)
    starter_key: str = field(repr=False)
    azureml_api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file in DATA_DIR remembers from load to load."""

    administrator_password: str
    developer_password: str
    azureml_url: str
    azureml_api_key: str


def load(*, azureml_url: str, azureml_api_key: str) -> Demo:
    """Bring the database to where the demo can begin. Safe to run again, and after a crash."""
    file = Path(settings.DATA_DIR) / FILE_NAME
    before = _read(file)
    kept = _Kept(
        administrator_password=before.administrator_password if before else secrets.token_urlsafe(12),
        developer_password=before.developer_password if before else secrets.token_urlsafe(12),
        azureml_url=azureml_url,
        azureml_api_key=azureml_api_key,
    )
    with transaction.atomic():
        administrator = _administrator(kept.administrator_password, reset=before is None)
        developer = _person(DEVELOPER_EMAIL, "Dana", "Developer", kept.developer_password, reset=before is None)
        api = _api(kept, before)
        _offer(api, by=administrator, to=developer)
        _discuss(api, developer=developer, publisher=administrator)
        # The passwords are on disk before anyone's account has them for good.
        _write(file, kept)
    return Demo(
        administrator_email=ADMINISTRATOR_EMAIL,
        administrator_password=kept.administrator_password,
        developer_email=DEVELOPER_EMAIL,
        developer_password=kept.developer_password,
        unlimited_key=_key(developer, "unlimited"),
        starter_key=_key(developer, "starter"),
        azureml_api_key=azureml_api_key,
    )


def _read(file: Path) -> _Kept | None:
    try:
        return _Kept(**json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(file: Path, kept: _Kept) -> None:
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with open(draft, "x", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
        json.dump(asdict(kept), stream, indent=2)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


# -- People ------------------------------------------------------------------------------------


def _administrator(password: str, *, reset: bool) -> User:
    if current() is None:
        create_service(
            name=SERVICE_NAME,
            organization_name=ORGANIZATION_NAME,
            administrator_email=ADMINISTRATOR_EMAIL,
            administrator_password=password,
        )
        return User.objects.get(email=ADMINISTRATOR_EMAIL)
    return _person(ADMINISTRATOR_EMAIL, "Ada", "Administrator", password, reset=reset, is_staff=True, is_superuser=True)


def _person(email: str, first_name: str, last_name: str, password: str, *, reset: bool, **rights: bool) -> User:
    """The person with that address; with `reset`, one who was there before gets the password."""
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        user = User.objects.create_user(email, password, first_name=first_name, last_name=last_name, **rights)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    elif reset:
        user.set_password(password)
        user.save(update_fields=["password"])
    return user


def _offer(api: API, *, by: User, to: User) -> None:
    """The API in the products, a price and an active subscription to each."""
    for name in PRICES:
        product = Product.objects.filter(name=name).first()
        if product is None:
            continue
        product.apis.add(api)
        if product.price is None:
            offering.set_price(product, Price(**PRICES[name]))
        if Subscription.objects.filter(owner=to, product=product).exists():
            continue
        subscription = lifecycle.subscribe(
            user=to, product=product, display_name=product.display_name, accepted_terms=product.terms
        )
        if subscription.state == Subscription.State.SUBMITTED:
            lifecycle.change_state(subscription, Subscription.State.ACTIVE, by=by)


def _discuss(api: API, *, developer: User, publisher: User) -> None:
    """An issue that was answered, where nobody has decided about issues yet."""
    _row, is_new = PortalSettings.objects.get_or_create(pk=1, defaults={"issues": PortalSettings.Issues.REVIEWED})
    if not is_new:
        return
    issue = issues.open_issue(api=api, by=developer, title=ISSUE_TITLE, description=ISSUE)
    issues.change_state(issue, Issue.State.OPEN, by=publisher)
    issues.comment(issue, by=publisher, text=ANSWER)


def _key(user: User, product_name: str) -> str:
    """The primary key of the user's newest active subscription to a product; empty if he has none."""
    subscription = Subscription.objects.filter(
        owner=user, product__name=product_name, state=Subscription.State.ACTIVE
    ).first()
    return keys.reveal(subscription, keys.Slot.PRIMARY) if subscription else ""


# -- The API -----------------------------------------------------------------------------------


def _api(kept: _Kept, before: _Kept | None) -> API:
    described = catalogue.describe(azureml_url=kept.azureml_url, api_key=kept.azureml_api_key)
    api = API.objects.filter(name=described.name).first()
    if api is None:
        return _create_api(described, service_url=kept.azureml_url)
    if before is not None:
        _follow(api, kept, before)
    return api


def _create_api(described: catalogue.API, *, service_url: str) -> API:
    api = API(
        name=described.name,
        display_name=described.display_name,
        description=described.description,
        service_url=service_url,
        path=described.path,
        scheme=described.scheme,
    )
    api.full_clean()
    api.save()
    for position, operation in enumerate(described.operations):
        _create_operation(api, operation, position)
    return api


def _create_operation(api: API, described: catalogue.Operation, position: int) -> None:
    operation = Operation(
        api=api,
        name=described.name,
        display_name=described.display_name,
        method=described.method,
        url_template=described.url_template,
        description=described.description,
        request_description=described.request_description,
        position=position,
    )
    operation.full_clean()
    operation.save()
    _create_parameters(described.parameters, operation=operation)
    _create_representations(described.representations, operation=operation)
    for described_response in described.responses:
        response = Response.objects.create(
            operation=operation,
            status_code=described_response.status_code,
            description=described_response.description,
        )
        _create_parameters(described_response.headers, response=response)
        _create_representations(described_response.representations, response=response)


def _create_parameters(
    described: Iterable[catalogue.Parameter], *, operation: Operation | None = None, response: Response | None = None
) -> None:
    for position, parameter in enumerate(described):
        row = Parameter(
            operation=operation,
            response=response,
            location=parameter.location,
            name=parameter.name,
            type=parameter.type,
            description=parameter.description,
            default_value=parameter.default_value,
            example=parameter.example,
            required=parameter.required,
            values=list(parameter.values),
            position=position,
        )
        row.full_clean()
        row.save()


def _create_representations(
    described: Iterable[catalogue.Representation],
    *,
    operation: Operation | None = None,
    response: Response | None = None,
) -> None:
    for representation in described:
        row = Representation(
            operation=operation,
            response=response,
            content_type=representation.content_type,
            example=representation.example,
        )
        row.full_clean()
        row.save()


def _follow(api: API, kept: _Kept, before: _Kept) -> None:
    """Put the backend's new address and key where the old ones stand."""
    if kept.azureml_url != before.azureml_url:
        API.objects.filter(pk=api.pk, service_url=before.azureml_url).update(service_url=kept.azureml_url)
        rows = Representation.objects.filter(operation__api=api) | Representation.objects.filter(
            response__operation__api=api
        )
        for row in rows.filter(example__contains=before.azureml_url):
            row.example = row.example.replace(before.azureml_url, kept.azureml_url)
            row.save(update_fields=["example"])
    if kept.azureml_api_key != before.azureml_api_key:
        Parameter.objects.filter(operation__api=api, default_value=f"Bearer {before.azureml_api_key}").update(
            default_value=f"Bearer {kept.azureml_api_key}"
        )
