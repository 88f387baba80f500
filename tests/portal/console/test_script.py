"""The page's script writes the URL and the programs exactly as the server does."""

import base64
import itertools
from pathlib import Path

import pytest
from django.conf import settings

from apis import url_templates
from portal.console import samples, url
from portal.console.call import Call
from tests.portal.console.test_samples import HOSTILE

TEMPLATE = "/%7Ea/{one}/{*rest}?x=%C3%A4+1&y={two}"
VALUES = ["plain", HOSTILE, "a/b?c", "P&T=1#2+3 %", "!'()*-._~;:@,$[]{}|^", "x/y z//"]


@pytest.fixture(scope="module")
def script(chromium):
    """Calls a function of the module: `script("curlProgram", {...})`."""
    source = Path(settings.BASE_DIR, "static/js/console-samples.js").read_bytes()
    module = f"data:text/javascript;base64,{base64.b64encode(source).decode()}"
    page = chromium.new_page()
    yield lambda name, *arguments: page.evaluate(
        "async ([module, name, arguments]) => (await import(module))[name](...arguments)",
        [module, name, list(arguments)],
    )
    page.close()


@pytest.mark.parametrize("value", VALUES)
def test_url(script, value):
    template = url_templates.parse(TEMPLATE)
    data = {
        "url": "http://h/api",
        "segments": [{"kind": part.kind.value, "text": part.text} for part in template.segments],
        "query": [
            {"name": part.name, "value": part.value, "isParameter": part.is_parameter} for part in template.query
        ],
    }
    rows = {name: {"value": value, "isHidden": False} for name in template.parameters}
    parts = script("urlParts", data, rows, [{"name": value, "value": value, "isHidden": False}])
    by_server = url.target(template, dict.fromkeys(template.parameters, value), [(value, value)])
    assert "".join(part["text"] for part in parts) == "http://h/api" + by_server


CALLS = list(
    itertools.product(
        ["GET", "HEAD", "POST", "PROPFIND"],
        [(), (("Content-Type", "text/plain"), ("X-A", HOSTILE), ("X-B", ""))],
        ["", HOSTILE],
        [None, "X-Api-Key", "X`$Key"],
        [None, "a'b \".bin"],
    )
)


@pytest.mark.parametrize("language", ["curl", "python"])
def test_program(script, language):
    for method, headers, body, key_header, file_name in CALLS:
        call = Call(method, "/", headers, body.encode() if body and file_name is None else None)
        by_script = script(
            f"{language}Program",
            {
                "method": method,
                "url": "http://h/it's[]",
                "keyHeader": key_header,
                "headers": [{"name": name, "value": value} for name, value in headers],
                "body": body if file_name is None else "",
                "fileName": file_name,
            },
        )
        assert by_script == getattr(samples, language)(call, "http://h/it's[]", key_header, file_name)
