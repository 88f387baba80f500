"""No secret reaches a record, whatever it is called and however it is sent."""

import pytest

from gateway.http.masking import MASK, MOST_BYTES, MOST_FIELDS, masked_url, recorded_fields

KEY = b"0123456789abcdef0123456789abcdef"
JWT = b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV"


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        pytest.param(b"/a?code=abc", b"/a?code=***", id="a function's key"),
        pytest.param(b"/a?sv=2024&sig=a%2Bb%3D&se=9", b"/a?sv=2024&sig=***&se=9", id="a shared access signature"),
        pytest.param(b"/a?X-Amz-Signature=12&x=1", b"/a?X-Amz-Signature=***&x=1", id="an AWS signature"),
        pytest.param(b"/a?access_token=x&ACCESS_TOKEN=y", b"/a?access_token=***&ACCESS_TOKEN=***", id="tokens"),
        pytest.param(b"/a?Password=p&client_secret=s", b"/a?Password=***&client_secret=***", id="a password"),
        pytest.param(
            b"/a?api-key=1&apikey=2&x-functions-key=3", b"/a?api-key=***&apikey=***&x-functions-key=***", id="keys"
        ),
        pytest.param(b"/a?token=x=y=z&b=1", b"/a?token=***&b=1", id="a value with equals signs"),
        pytest.param(b"/a;jsessionid=12?b=1", b"/a;jsessionid=***", id="a session in the path"),
        pytest.param(b"/a?token=&b=token", b"/a?token=&b=token", id="no value, and a value that names one"),
        pytest.param(b"/a?postcode=1&keyword=2&author=3&token", b"/a?postcode=1&keyword=2&author=3&token", id="none"),
        pytest.param(b"/token=1", b"/token=1", id="a path"),
    ],
)
def test_secrets_in_an_url_are_masked_by_their_names(url, recorded):
    assert masked_url(url) == recorded
    assert (masked_url(url) is url) == (recorded == url)


@pytest.mark.parametrize(
    ("name", "value", "recorded"),
    [
        pytest.param(b"authorization", b"Basic eDp5", MASK, id="Authorization"),
        pytest.param(b"proxy-authorization", b"x", MASK, id="Proxy-Authorization"),
        pytest.param(b"cookie", b"a=1", MASK, id="Cookie"),
        pytest.param(b"x-my-key", b"short", MASK, id="the API's key header"),
        pytest.param(b"ocp-apim-subscription-key", b"x", MASK, id="the usual key header"),
        pytest.param(b"x-auth-token", b"x", MASK, id="a token"),
        pytest.param(b"x-hub-signature-256", b"x", MASK, id="a signature"),
        pytest.param(b"x-amz-security-token", b"x", MASK, id="an AWS token"),
        pytest.param(b"apim-debug-authorization", b"x", MASK, id="a debug token"),
        pytest.param(b"x-forwarded-client-cert", b"x", MASK, id="a certificate"),
        pytest.param(b"subscription", KEY, MASK, id="a key in a wrong header"),
        pytest.param(b"x-custom", b"v1 " + JWT, MASK, id="a JWT in a header of its own"),
        pytest.param(b"x-custom", b"Bearer abc", MASK, id="a bearer token in another header"),
        pytest.param(b"x-custom", b"a plain value", b"a plain value", id="what looks harmless"),
        pytest.param(b"referer", b"https://a/b?code=1&c=2", b"https://a/b?code=***&c=2", id="an URL"),
        pytest.param(b"user-agent", b"Mozilla/5.0 Gecko/20100101", b"Mozilla/5.0 Gecko/20100101", id="User-Agent"),
        pytest.param(b"traceparent", b"00-" + KEY + b"-01", b"00-" + KEY + b"-01", id="a trace"),
    ],
)
def test_secrets_in_fields_are_masked(name, value, recorded):
    assert recorded_fields([(name, value)], frozenset({b"x-my-key"})) == ((name, recorded),)


def test_what_is_recorded_of_fields_is_bounded():
    many = [(b"x-%d" % number, b"a") for number in range(200)]
    assert recorded_fields(many, frozenset()) == tuple(many[:MOST_FIELDS])
    long = recorded_fields([(b"user-agent", b"a" * 30_000)] * 9, frozenset())
    assert 0 < sum(len(name) + len(value) for name, value in long) <= MOST_BYTES


@pytest.mark.parametrize("piece", [b"token", b"token=", b"&", b"?", b"a", b"api", b"?token", b"authen", b"%3D"])
def test_hostile_urls_take_time_that_grows_with_their_length(piece):
    """A pattern that tried things twice would take minutes."""
    url = b"/?" + piece * (16_000 // len(piece)) + b"="
    assert len(masked_url(url)) > 0
