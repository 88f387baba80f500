"""The stations of a call, each passed, failed or not reached."""

from django.utils.functional import Promise

from analytics.explanation import Explanation, Hop

_STATIONS = (Hop.CALLER, Hop.GATEWAY, Hop.BACKEND)


def hops(explanation: Explanation | None) -> list[dict[str, str | Promise]]:
    failed = _STATIONS.index(explanation.hop) if explanation is not None and explanation.hop in _STATIONS else 3
    states = ["passed"] * failed + ["failed"] + ["unreached"] * len(_STATIONS)
    return [{"name": hop.label, "state": state} for hop, state in zip(_STATIONS, states, strict=False)]
