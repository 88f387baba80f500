"""Loads the demo's data and prints how to use it: `python -m examples.load_demo`."""

import os
import shlex

import django

from examples.azureml import catalogue
from examples.azureml.settings import read_settings


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    from django.conf import settings

    from examples import demo_data

    azureml = read_settings()
    demo = demo_data.load(azureml_url=azureml.url, azureml_api_key=azureml.api_key)
    lines = {
        "Portal": settings.PORTAL_URL,
        "Gateway": settings.GATEWAY_URL,
        "Administrator": f"{demo.administrator_email} {demo.administrator_password}",
        "Developer": f"{demo.developer_email} {demo.developer_password}",
        "Subscription key": demo.unlimited_key,
        "Starter key": demo.starter_key,
        "AzureML key": demo.azureml_api_key,
        "Try": curl_line(settings.GATEWAY_URL, demo.unlimited_key, azureml.url, demo.azureml_api_key),
    }
    print("\n".join(f"{name}: {value}" for name, value in lines.items()))


def curl_line(gateway_url: str, subscription_key: str, azureml_url: str, azureml_api_key: str) -> str:
    """A call of the demo's first operation, with its example body, ready for a shell."""
    api = catalogue.describe(azureml_url=azureml_url, api_key=azureml_api_key)
    execute = api.operations[0]
    target = execute.url_template
    for parameter in execute.parameters:
        target = target.replace(f"{{{parameter.name}}}", parameter.default_value)
    arguments = [
        "curl",
        f"{gateway_url}/{api.path}{target}",
        *("-H", f"Ocp-Apim-Subscription-Key: {subscription_key}"),
        *("-H", f"Authorization: Bearer {azureml_api_key}"),
        *("-H", "Content-Type: application/json"),
        *("-d", " ".join(execute.representations[0].example.split())),
    ]
    return shlex.join(arguments)


if __name__ == "__main__":
    main()
