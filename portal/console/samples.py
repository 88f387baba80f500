"""Programs that send what the console would send, the subscription key as a variable.

static/js/console.js writes the same while one types; a test holds the two together.
"""

import json
import re

from portal.console.call import Call

KEY_VARIABLE = "SUBSCRIPTION_KEY"
_METHODS_WITH_LENGTH = frozenset({"POST", "PUT", "PATCH"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9\-_.]+")


def curl(call: Call, url: str, key_header: str | None, file_name: str | None = None) -> str:
    """For a POSIX shell. `file_name` stands for a body that comes from a file."""
    lines = [f"curl --head {_shell(url)}" if call.method == "HEAD" else f"curl --request {call.method} {_shell(url)}"]
    if "[" in url or "{" in url:
        lines.append("--globoff")
    if key_header is not None:
        lines.append(f"--header {_key_in_shell(key_header)}")
    lines += [f"--header {_shell(f'{name}: {value}' if value else f'{name};')}" for name, value in call.headers]
    has_body = call.body is not None or file_name is not None
    if has_body or call.method in _METHODS_WITH_LENGTH:
        if not call.has_header("content-type"):
            lines.append("--header 'Content-Type:'")
        if file_name is not None:
            lines.append(f"--data-binary {_shell('@' + file_name)}")
        else:
            lines.append(f"--data-raw {_shell((call.body or b'').decode())}")
    return " \\\n  ".join(lines)


def python(call: Call, url: str, key_header: str | None, file_name: str | None = None) -> str:
    headers = [f'        {_quoted(key_header)}: os.environ["{KEY_VARIABLE}"],'] if key_header is not None else []
    headers += [f"        {_quoted(name)}: {_quoted(value)}," for name, value in call.headers]
    lines = ["import os", ""] if key_header is not None else []
    lines += ["import requests", "", "response = requests.request("]
    lines += [f"    {_quoted(call.method)},", f"    {_quoted(url)},"]
    if headers:
        lines += ["    headers={", *headers, "    },"]
    if file_name is not None:
        lines.append(f'    data=open({_quoted(file_name)}, "rb"),')
    elif call.body is not None:
        lines.append(f"    data={_quoted(call.body.decode())}.encode(),")
    lines += ["    allow_redirects=False,", ")", "print(response.status_code, response.reason)", "print(response.text)"]
    return "\n".join(lines)


def _shell(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _key_in_shell(header: str) -> str:
    if _PLAIN_NAME.fullmatch(header):
        return f'"{header}: ${KEY_VARIABLE}"'
    return f'{_shell(f"{header}: ")}"${KEY_VARIABLE}"'


def _quoted(text: str) -> str:
    """A string literal of Python: JSON's is one, as long as nothing outside ASCII is escaped."""
    return json.dumps(text, ensure_ascii=False)
