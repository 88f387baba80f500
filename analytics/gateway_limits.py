"""Where limits of subscriptions stand at this moment, as a gateway says by its management server."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from uuid import UUID

import msgspec
import requests
from django.conf import settings

from gateway.limits.standing import MOST_SUBSCRIPTIONS, SubscriptionLimits

PATH = "/limits"
CONNECT_SECONDS = 0.5
# The gateway itself waits a second for its worker.
ANSWER_SECONDS = 1.5
LIMIT_BYTES = 2**20

log = logging.getLogger(__name__)


class GatewayLimits(msgspec.Struct, frozen=True):
    """`at` is a Unix time of the gateway's; subscriptions that it does not serve are left out."""

    at: float
    subscriptions: dict[UUID, SubscriptionLimits]

    @property
    def moment(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


_decode = msgspec.json.Decoder(GatewayLimits).decode


def ask_gateway(subscriptions: Iterable[UUID]) -> GatewayLimits | None:
    """None where there is no gateway to ask, or it does not say all of it in time."""
    if not settings.GATEWAY_MANAGEMENT_URL:
        return None
    told = GatewayLimits(0.0, {})
    try:
        with requests.Session() as session:
            session.trust_env = False
            for some in _batches(subscriptions):
                answer = _ask(session, some)
                told = GatewayLimits(answer.at, told.subscriptions | answer.subscriptions)
    except (requests.RequestException, OSError, msgspec.MsgspecError) as error:
        log.warning("limits_not_told gateway=%s error=%s", settings.GATEWAY_MANAGEMENT_URL, type(error).__name__)
        return None
    return told


def _batches(subscriptions: Iterable[UUID]) -> Iterator[Sequence[UUID]]:
    left = iter(subscriptions)
    while some := tuple(islice(left, MOST_SUBSCRIPTIONS)):
        yield some


def _ask(session: requests.Session, subscriptions: Sequence[UUID]) -> GatewayLimits:
    """Raises RequestException, OSError and MsgspecError."""
    with session.get(
        settings.GATEWAY_MANAGEMENT_URL + PATH,
        params=[("subscription", str(one)) for one in subscriptions],
        timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
        allow_redirects=False,
        stream=True,
    ) as answer:
        if answer.status_code != 200:
            raise requests.HTTPError(response=answer)
        return _decode(answer.raw.read(LIMIT_BYTES, decode_content=True))
