"""Scores texts by the request-response service of Azure Machine Learning (classic), through an API gateway.

    python rrs.py --gateway http://127.0.0.1:8080 --subscription-key K --api-key K --text "This is a good day"

prints the hashed features of the text: `1 1 2 2 0 2 0 1`. Needs Python 3 and requests. Keys may also
come from the environment, where no list of processes shows them: SUBSCRIPTION_KEY, AZUREML_API_KEY.
"""

import argparse
import os
import sys
from typing import Any
from urllib.parse import quote

import requests

TIMEOUTS_SECONDS = (10.0, 100.0)
# The example service's.
DEMO_WORKSPACE = "77e4f9d0b8a34c6fa1d25b9c3e60f812"
DEMO_SERVICE = "c3a1d7e25f0b4b86902f6e8d41b7a95c"


class CallError(Exception):
    """The call was not answered as it should be; the text says what came instead."""


def main() -> int:
    arguments = parse_arguments()
    try:
        rows = score(arguments)
    except CallError as error:
        print(error, file=sys.stderr)
        return 1
    for row in rows:
        print(*row)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Score texts by the request-response service.")
    add = parser.add_argument
    add("--gateway", required=True, metavar="URL", help="the gateway, such as http://127.0.0.1:8080")
    add("--suffix", default="azureml-demo", help="the API's URL suffix (default: %(default)s)")
    add("--workspace", default=DEMO_WORKSPACE, help="default: the example's")
    add("--service", default=DEMO_SERVICE, help="default: the example's")
    add("--subscription-key", default=os.environ.get("SUBSCRIPTION_KEY", ""), metavar="KEY", help="opens the gateway")
    add("--api-key", default=os.environ.get("AZUREML_API_KEY", ""), metavar="KEY", help="opens the service behind it")
    add("--text", required=True, action="append", help="repeat it to score several in one call")
    add("--column", default="Col2", help="the service's text column (default: %(default)s)")
    return parser.parse_args()


def score(arguments: argparse.Namespace) -> list[list[str]]:
    """The rows of the service's output, one for each text. Raises CallError."""
    body = {
        "Inputs": {"input1": {"ColumnNames": [arguments.column], "Values": [[text] for text in arguments.text]}},
        "GlobalParameters": {},
    }
    headers = {"Authorization": f"Bearer {arguments.api_key}"}
    if arguments.subscription_key:
        headers["Ocp-Apim-Subscription-Key"] = arguments.subscription_key
    try:
        response = requests.post(
            service_url(arguments) + "/execute",
            params={"api-version": "2.0", "details": "true"},
            json=body,
            headers=headers,
            timeout=TIMEOUTS_SECONDS,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise CallError(f"The call failed: {error}") from error
    if response.status_code != 200:
        raise CallError(describe_error(response))
    try:
        rows: list[list[str]] = response.json()["Results"]["output1"]["value"]["Values"]
    except (requests.JSONDecodeError, KeyError, TypeError) as error:
        raise CallError(f"The answer has no output1: {response.text[:1000]}") from error
    return rows


def service_url(arguments: argparse.Namespace) -> str:
    parts = [arguments.gateway.rstrip("/"), arguments.suffix.strip("/")]
    parts += ["workspaces", quote(arguments.workspace, safe=""), "services", quote(arguments.service, safe="")]
    return "/".join(part for part in parts if part)


def describe_error(response: requests.Response) -> str:
    """Status, code, message and details, whether the web service answered or the gateway did."""
    lines = [f"HTTP {response.status_code} {response.reason}"]
    try:
        answer: Any = response.json()
    except requests.JSONDecodeError:
        return "\n".join([*lines, response.text[:1000]])
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        message = answer.get("message") if isinstance(answer, dict) else None
        return "\n".join([*lines, str(message or answer)])
    lines.append(f"{error.get('code')}: {error.get('message')}")
    for detail in error.get("details") or []:
        target = f" ({detail['target']})" if detail.get("target") else ""
        lines.append(f"  {detail.get('code')}{target}: {detail.get('message')}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
