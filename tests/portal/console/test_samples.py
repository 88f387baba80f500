"""The programs on the page, run: they send what the console sends."""

import os
import shutil
import subprocess
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from portal.console import samples
from portal.console.call import Call

HOSTILE = "'\"$(id) `id` \\ !x\n\t%41 <&> é 😀"


def lines_of_interest(stand_in) -> list[str]:
    ignored = ("host:", "accept:", "user-agent:", "accept-encoding:", "connection:", "x-forwarded", "content-length: 0")
    return sorted(line.rstrip() for line in stand_in.lines if not line.lower().startswith(ignored))


def run(program: list[str], directory, key: str) -> None:
    environment = {"PATH": os.environ["PATH"], "SUBSCRIPTION_KEY": key, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(program, cwd=directory, env=environment, check=True, timeout=180, capture_output=True)


CALLS = [
    pytest.param({}, id="the example"),
    pytest.param({"body": HOSTILE, "template:service": HOSTILE, "query:trace": HOSTILE}, id="hostile values"),
    pytest.param({"body": "@/etc/passwd"}, id="a body that curl could take for a file"),
    pytest.param({"body": ""}, id="no body"),
    pytest.param({"body": "x", "on": []}, id="no content type"),
    pytest.param({"added-header-name": "X-A", "added-header-value": "'$HOME' \"x\" \\"}, id="hostile header"),
    pytest.param({"added-header-name": "X-A", "added-header-value": ""}, id="empty header"),
]


@pytest.mark.parametrize("language", [0, 1], ids=["curl", "python"])
@pytest.mark.parametrize("fields", CALLS)
def test_program_sends_what_the_console_sends(
    send, execute, gateway, settings, alice, alices, tmp_path, fields, language
):
    if language == 0 and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    settings.GATEWAY_URL = gateway.url
    result = send(execute, {"subscription": str(alices.pk)} | fields, by=alice).context["console"].result
    by_console = (gateway.request_line, lines_of_interest(gateway), gateway.body)
    key = next(line for line in gateway.lines if line.startswith("Ocp-Apim")).partition(": ")[2]
    assert key not in result.samples[language]
    run([["sh", "-c"], [sys.executable, "-c"]][language] + [result.samples[language]], tmp_path, key)
    assert len(gateway.received) == 2
    assert (gateway.request_line, lines_of_interest(gateway), gateway.body) == by_console


def test_program_sends_a_file(send, execute, gateway, settings, tmp_path):
    settings.GATEWAY_URL = gateway.url
    (tmp_path / "a b.bin").write_bytes(b"\0\r\n\xff")
    fields = {"body-kind": "file", "file": SimpleUploadedFile("a b.bin", b"\0\r\n\xff")}
    result = send(execute, fields).context["console"].result
    for program in (["sh", "-c", result.samples[0]], [sys.executable, "-W", "ignore", "-c", result.samples[1]]):
        run(program, tmp_path, "")
        assert gateway.body == b"\0\r\n\xff"


def test_key_header_of_a_strange_name_is_quoted():
    sample = samples.curl(Call("GET", "/", (), None), "http://x/", "X-`id`$Key")
    assert """--header 'X-`id`$Key: '"$SUBSCRIPTION_KEY\"""" in sample
