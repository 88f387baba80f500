"""Typed readers of environment variables.

A bad value raises `SettingError`, which names the variable and never shows a secret's value.
Knows no Django, because the gateway reads the same settings without it.
"""

import os
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from environs import Env, EnvError, validate

Network = IPv4Network | IPv6Network


class SettingError(ValueError):
    """An environment variable is missing or has a value that cannot be used."""


_env = Env()


def env_text(name: str, *, default: str, choices: Sequence[str] = ()) -> str:
    validators = [validate.OneOf(choices)] if choices else []
    try:
        return str(_env.str(name, default, validate=validators))
    except EnvError as error:
        raise SettingError(f"{name}: {error}") from error


def env_bool(name: str, *, default: bool) -> bool:
    try:
        return bool(_env.bool(name, default))
    except EnvError as error:
        raise SettingError(f"{name}: {error}") from error


def env_int(name: str, *, default: int, low: int, high: int) -> int:
    try:
        return int(_env.int(name, default, validate=[validate.Range(low, high)]))
    except EnvError as error:
        raise SettingError(f"{name}: {error}") from error


def env_float(name: str, *, default: float, low: float, high: float) -> float:
    try:
        return float(_env.float(name, default, validate=[validate.Range(low, high)]))
    except EnvError as error:
        raise SettingError(f"{name}: {error}") from error


def env_list(name: str, *, default: Sequence[str] = ()) -> list[str]:
    """Comma-separated values, blanks dropped."""
    raw = os.environ.get(name)
    return list(default) if raw is None else [part.strip() for part in raw.split(",") if part.strip()]


def env_networks(name: str) -> list[Network]:
    """Comma-separated networks such as 10.1.0.0/16, or single addresses; none by default."""
    try:
        return [ip_network(part) for part in env_list(name)]
    except ValueError as error:
        raise SettingError(f"{name}: give networks such as 10.1.0.0/16: {error}.") from error


def env_path(name: str, *, default: Path) -> Path:
    return Path(os.environ.get(name) or default).expanduser().absolute()


def env_base_url(name: str, *, default: str) -> str:
    """An http or https URL without query or fragment; the trailing slash is dropped. Empty only by default."""
    value = env_text(name, default=default)
    if not value and not default:
        return ""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingError(f"{name}: give a URL such as https://api.example.org, without query or fragment.")
    return value.rstrip("/")


def env_time_zone(name: str, *, default: str) -> str:
    value = env_text(name, default=default)
    if value not in available_timezones():
        raise SettingError(f"{name}: give a name such as Europe/Budapest.")
    return value


def env_secret(name: str, *, low: int, default: str | None = None, kept_in: Path | None = None) -> str:
    """The value of NAME, or the content of the file that NAME_FILE names; at least `low` characters.

    `kept_in` is a file that is read, where it exists, if neither is set.
    """
    value = os.environ.get(name)
    file_name = os.environ.get(f"{name}_FILE")
    if not file_name and kept_in is not None and kept_in.exists():
        file_name = str(kept_in)
    if value is None and file_name:
        try:
            value = Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(f"{name}_FILE: {file_name} cannot be read: {type(error).__name__}") from error
    if value is None:
        value = default
    if value is None:
        raise SettingError(f"{name}: set it, or {name}_FILE to a file that holds it.")
    if len(value) < low:
        raise SettingError(f"{name}: too short; at least {low} characters are needed.")
    return value
