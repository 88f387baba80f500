"""The demo's data: complete after the first load, kept by the next ones."""

import stat
from pathlib import Path

import pytest
from django.contrib.auth import authenticate

from accounts.models import User
from apis.models import API, Operation, Parameter
from apis.template_parameters import check_agreement
from examples import demo_data
from examples.azureml.settings import SERVICE_ID, WORKSPACE_ID
from subscriptions.models import Product, Subscription, visible_apis

URL = "http://127.0.0.1:8090"
OPERATIONS = ["RRS Execute", "BES Submit", "BES Start", "BES Status", "BES Delete"]

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(tmp_path, settings) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path


def load(url: str = URL, key: str = "first-key") -> demo_data.Demo:
    return demo_data.load(azureml_url=url, azureml_api_key=key)


def test_the_api_has_its_five_operations_in_order():
    load()
    api = API.objects.get(path="azureml-demo")
    assert [operation.display_name for operation in api.operations.all()] == OPERATIONS
    assert (api.service_url, api.schemes) == (URL, ("http", "https"))


def test_each_operation_is_one_that_an_administrator_could_save():
    load()
    for operation in Operation.objects.all():
        operation.full_clean()
        declared = operation.parameters.filter(location=Parameter.Location.TEMPLATE)
        check_agreement(operation.url_template, [parameter.name for parameter in declared])


def test_what_the_console_fills_in_makes_a_whole_call():
    load()
    operation = Operation.objects.get(name="rrs-execute")
    filled = {parameter.name: parameter.suggested_value for parameter in operation.parameters.all()}
    assert filled == {
        "workspace": WORKSPACE_ID,
        "service": SERVICE_ID,
        "apiversion": "2.0",
        "details": "true",
        "Content-Type": "application/json",
        "Authorization": "Bearer first-key",
    }


def test_people_can_sign_in_and_the_administrator_may_administer():
    demo = load()
    administrator = authenticate(None, email=demo.administrator_email, password=demo.administrator_password)
    developer = authenticate(None, email=demo.developer_email, password=demo.developer_password)
    assert administrator.is_staff
    assert not developer.is_staff


def test_the_developer_has_active_subscriptions_to_both_products_and_sees_the_api():
    demo = load()
    developer = User.objects.get(email=demo.developer_email)
    active = Subscription.objects.filter(owner=developer, state="active").values_list("product__name", flat=True)
    assert sorted(active) == ["starter", "unlimited"]
    assert demo.starter_key != demo.unlimited_key
    assert list(visible_apis(developer)) == [API.objects.get()]


def test_a_second_load_changes_nothing():
    first = load()
    assert load() == first
    counts = [model.objects.count() for model in (API, Operation, User, Product, Subscription)]
    assert counts == [1, 5, 2, 2, 2]


def test_passwords_lie_in_a_file_that_only_its_owner_reads(data_folder):
    demo = load()
    file = data_folder / demo_data.FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert demo.developer_password in file.read_text()
    assert demo.developer_password not in repr(demo)


def test_without_the_file_people_get_new_passwords(data_folder):
    load()
    (data_folder / demo_data.FILE_NAME).unlink()
    demo = load()
    assert authenticate(None, email=demo.developer_email, password=demo.developer_password)


def test_the_api_follows_the_backend_to_another_port_and_key():
    load()
    load("http://127.0.0.1:9999", "second-key")
    assert API.objects.get().service_url == "http://127.0.0.1:9999"
    submit = Operation.objects.get(name="bes-submit")
    assert "http://127.0.0.1:9999/devstoreaccount1" in submit.representations.get().example
    assert submit.parameters.get(name="Authorization").default_value == "Bearer second-key"


def test_what_an_administrator_changed_stays():
    load()
    API.objects.update(service_url="https://example.org", description="Ours")
    load("http://127.0.0.1:9999")
    api = API.objects.get()
    assert (api.service_url, api.description) == ("https://example.org", "Ours")


def test_a_service_that_was_there_before_keeps_its_administrator():
    demo_data.create_service(
        name="ours",
        organization_name="Ours",
        administrator_email="root@example.org",
        administrator_password="correct horse battery",
    )
    demo = load()
    assert authenticate(None, email="root@example.org", password="correct horse battery")
    assert authenticate(None, email=demo.administrator_email, password=demo.administrator_password).is_superuser
