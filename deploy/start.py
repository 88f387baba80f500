"""Starts the whole product on one machine: `python -m deploy.start [--demo]`.

Makes the folder for data and the secrets in it, brings the database up to date, and runs the
processes of the Procfile until Ctrl+C. With --demo it also runs the example backend and loads the
example's API, people and subscriptions; when everything answers it prints how to use them.
"""

import argparse
import asyncio
import fcntl
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests
from honcho.environ import parse_procfile

from deploy import supervise
from portal.environment import SettingError, env_float, env_int, env_path

BASE_DIR = Path(__file__).resolve().parent.parent
START_TIMEOUT_SECONDS = 300
POLL_SECONDS = 0.1


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--demo", action="store_true", help="with the example backend and example data")
    demo = arguments.parse_args().demo
    os.chdir(BASE_DIR)
    try:
        environment = prepare_environment()
        with only_start(Path(environment["DATA_DIR"])):
            require_free_ports(environment, demo=demo)
            run_python(environment, "manage.py", "migrate", "--verbosity", "0")
            run_python(environment, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
            welcome = ("-m", "examples.load_demo") if demo else ("manage.py", "setup_code")
            return run_processes(environment, demo=demo, announcement=run_python(environment, *welcome))
    except SettingError as error:
        print(f"Cannot start: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        return error.returncode or 1


def prepare_environment() -> dict[str, str]:
    """The environment of all processes: ports and folders as set, secrets from files made on first start."""
    ports = {
        name: env_int(name, default=default, low=1, high=65535)
        for name, default in (("PORTAL_PORT", 8000), ("GATEWAY_PORT", 8080), ("AZUREML_PORT", 8090))
    }
    # These two are not listened on where they are 0.
    ports["GATEWAY_MANAGEMENT_PORT"] = env_int("GATEWAY_MANAGEMENT_PORT", default=8081, low=0, high=65535)
    ports["GATEWAY_TLS_PORT"] = env_int("GATEWAY_TLS_PORT", default=0, low=0, high=65535)
    used = [port for port in ports.values() if port]
    if len(set(used)) < len(used):
        raise SettingError(f"{', '.join(ports)}: each needs a port of its own.")
    data = env_path("DATA_DIR", default=BASE_DIR / "var")
    try:
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o700)
        for name in ("SECRET_KEY", "KEY_ENCRYPTION_KEY"):
            if not {name, f"{name}_FILE"} & os.environ.keys():
                make_secret(data / name.lower())
    except OSError as error:
        raise SettingError(f"DATA_DIR: {data} cannot be used ({error.strerror}).") from error
    return {
        **os.environ,
        **{name: str(port) for name, port in ports.items()},
        "DATA_DIR": str(data),
        "PORTAL_HOST": os.environ.get("PORTAL_HOST", "127.0.0.1"),
        "GATEWAY_HOST": os.environ.get("GATEWAY_HOST", "127.0.0.1"),
        "GATEWAY_TLS_HOST": os.environ.get("GATEWAY_TLS_HOST") or os.environ.get("GATEWAY_HOST", "127.0.0.1"),
        "GATEWAY_MANAGEMENT_HOST": os.environ.get("GATEWAY_MANAGEMENT_HOST", "127.0.0.1"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }


def make_secret(file: Path) -> None:
    """Write a random secret, for its owner's eyes only, unless there is one."""
    if not file.exists() or not file.stat().st_size:
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(48), encoding="utf-8")


@contextmanager
def only_start(data: Path) -> Iterator[None]:
    """Two starts on the same data would change it under each other."""
    with (data / "start.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingError(f"DATA_DIR: {data} is in use by another start.") from error
        yield


def require_free_ports(environment: Mapping[str, str], *, demo: bool) -> None:
    wanted = [("PORTAL_HOST", "PORTAL_PORT"), ("GATEWAY_HOST", "GATEWAY_PORT")]
    for name in ("GATEWAY_MANAGEMENT", "GATEWAY_TLS"):
        if environment[f"{name}_PORT"] != "0":
            wanted.append((f"{name}_HOST", f"{name}_PORT"))
    if demo:
        wanted.append(("AZUREML_HOST", "AZUREML_PORT"))
    for host_name, port_name in wanted:
        host, port = environment.get(host_name, "127.0.0.1"), int(environment[port_name])
        try:
            with socket.create_server((host, port)):
                pass
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise SettingError(f"{port_name}: {host}:{port} cannot be used ({reason}); set another one.") from error


def run_python(environment: Mapping[str, str], *arguments: str) -> str:
    """Run a Python program to its end and return what it printed."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def run_processes(environment: Mapping[str, str], *, demo: bool, announcement: str) -> int:
    """Run all processes until Ctrl+C; returns the exit code."""
    commands = dict(parse_procfile(Path("Procfile").read_text(encoding="utf-8")).processes)
    if demo:
        commands["azureml"] = "python -m examples.azureml"
    announce = partial(announce_when_ready, environment, announcement, demo=demo)
    # A process that ends in order has its calls finished by then.
    kill_seconds = env_float("DRAIN_SECONDS", default=30.0, low=0.0, high=600.0) + supervise.KILL_SECONDS
    return asyncio.run(supervise.run(commands, environment, announce, kill_seconds=kill_seconds))


async def announce_when_ready(environment: Mapping[str, str], announcement: str, *, demo: bool) -> bool:
    """Print the announcement once everything answers; False if that takes too long."""
    gateway = f"http://127.0.0.1:{environment['GATEWAY_PORT']}/status-0123456789abcdef"
    if environment.get("GATEWAY_PROXY_PROTOCOL") == "all":
        gateway = f"http://127.0.0.1:{environment['GATEWAY_MANAGEMENT_PORT']}/readyz"
    waiting = [f"http://127.0.0.1:{environment['PORTAL_PORT']}/health/", gateway]
    if demo:
        waiting.append(f"http://127.0.0.1:{environment['AZUREML_PORT']}/")
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while waiting := [url for url in waiting if not await asyncio.to_thread(answers, url)]:
        if time.monotonic() > deadline:
            print(f"No answer from {', '.join(waiting)} in {START_TIMEOUT_SECONDS} seconds.", file=sys.stderr)
            return False
        await asyncio.sleep(POLL_SECONDS)
    if environment["GATEWAY_MANAGEMENT_PORT"] != "0":
        host, port = environment["GATEWAY_MANAGEMENT_HOST"], environment["GATEWAY_MANAGEMENT_PORT"]
        print(f"Gateway's state: http://{host}:{port}/readyz and /metrics")
    print(announcement, flush=True)
    return True


def answers(url: str) -> bool:
    """Whether the service behind the URL is up: it answers, and not with its own failure."""
    try:
        return requests.get(url, timeout=2, allow_redirects=False).status_code < 500
    except requests.RequestException:
        return False


if __name__ == "__main__":
    sys.exit(main())
