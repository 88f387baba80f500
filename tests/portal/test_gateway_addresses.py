"""A service URL that leads back to the gateway, in any spelling."""

import pytest

from apis.models import API
from portal.base_urls import base_urls
from portal.gateway_addresses import leads_to_gateway
from service.models import Service


@pytest.fixture(autouse=True)
def addresses(settings):
    settings.GATEWAY_URL = "https://{service}.example.org/apis"
    settings.GATEWAY_INTERNAL_URL = "http://gateway.internal:8081"
    settings.GATEWAY_HOST, settings.GATEWAY_PORT = "0.0.0.0", 8080
    settings.GATEWAY_MANAGEMENT_HOST, settings.GATEWAY_MANAGEMENT_PORT = "127.0.0.1", 8082
    settings.GATEWAY_TLS_HOST, settings.GATEWAY_TLS_PORT = "0.0.0.0", 8443


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "https://127.0.0.1:8080/a/b",
        "https://localhost:8443/a",
        "http://LOCALHOST:8080/",
        "http://localhost.:8080",
        "http://api.localhost:8080",
        "http://[::1]:8080",
        "http://[::ffff:127.0.0.1]:8080",
        "http://127.1:8080",
        "http://2130706433:8080",
        "http://127.8.9.10:8080",
        "http://0.0.0.0:8080",
        "http://gateway.internal:8081/x",
        "http://localhost:8082/metrics",
        "https://demo.example.org/apis",
        "https://DEMO.example.org:443/apis/weather",
    ],
)
def test_gateway_s_own_address(url):
    assert leads_to_gateway(url, Service(name="Demo"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8090",
        "http://127.0.0.1",
        "http://gateway.internal",
        "https://demo.example.org",
        "https://demo.example.org/apis-old",
        "http://demo.example.org/apis",
        "https://other.example.org/apis",
        "http://192.0.2.1:8080",
    ],
)
def test_other_address(url):
    assert not leads_to_gateway(url, Service(name="Demo"))


@pytest.mark.parametrize(
    ("scheme", "gateway_url", "urls"),
    [
        ("http", "http://h:8080", ["http://h:8080/a"]),
        ("both", "http://h:8080", ["http://h:8080/a"]),
        ("https", "http://h:8080", ["https://h:8080/a"]),
        ("http", "https://h:8443", ["http://h:8443/a"]),
        ("https", "http://h", ["https://h/a"]),
        ("both", "https://h", ["https://h/a", "http://h/a"]),
    ],
)
def test_url_of_an_api_has_a_scheme_that_the_api_takes(settings, scheme, gateway_url, urls):
    settings.GATEWAY_URL = gateway_url
    assert base_urls(API(scheme=scheme, path="a"), Service(name="Demo")) == urls
