"""Load on a server: wrk as fast as it answers, hey at a fixed rate. Both run on core 1."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).parent / "configurations" / "call.lua"
RRS_PATH = "/workspaces/77e3af2d/services/00000001/execute?api-version=2.0&details=true"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


class LoadError(Exception):
    """The server answered with errors, or not at all; the text is what the tool printed."""


@dataclass(frozen=True, slots=True)
class Load:
    """`p50` and `p99` are milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float


def full(
    port: int, kind: str, *, connections: int, seconds: int, prefix: str = "", numbers: tuple[int, ...] = ()
) -> Load:
    """As many calls as the server answers; `numbers` are what this kind of call is told. Raises LoadError."""
    command = f"taskset -c 1 wrk -t 1 -c {connections} -d {seconds}s --timeout 20s --latency -s {SCRIPT}"
    arguments = [*command.split(), f"http://127.0.0.1:{port}", "--", kind, prefix, *map(str, numbers)]
    output = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    found = re.search(r"(\d+) requests in", output)
    if "Non-2xx" in output or "Socket errors" in output or found is None:
        raise LoadError(output)
    return Load(
        int(found[1]),
        float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        _milliseconds(re.search(r"^ +50% +(\S+)", output, re.M)[1]),
        _milliseconds(re.search(r"^ +99% +(\S+)", output, re.M)[1]),
    )


def steady(port: int, *, connections: int, seconds: int, rate: float, key: str, prefix: str = "") -> Load:
    """So many RRS calls a second, over all connections. Raises LoadError."""
    command = [
        *("taskset", "-c", "1", "hey", "-cpus", "1", "-m", "POST", "-T", "application/json", "-d", "x" * 400),
        *("-z", f"{seconds}s", "-c", str(connections), "-q", f"{rate / connections:.3f}"),
        *("-H", f"Ocp-Apim-Subscription-Key: {key}", f"http://127.0.0.1:{port}{prefix}{RRS_PATH}"),
    ]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    answers = re.findall(r"\[(\d+)\]\s+(\d+) responses", output)
    if not answers or any(not status.startswith("2") for status, _ in answers) or "Error distribution" in output:
        raise LoadError(output)
    return Load(
        sum(int(count) for _, count in answers),
        float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]),
        1e3 * float(re.search(r"50%+ in ([\d.]+)", output)[1]),
        1e3 * float(re.search(r"99%+ in ([\d.]+)", output)[1]),
    )


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)([a-z]+)", text).groups()
    return float(number) * _UNITS[unit]
