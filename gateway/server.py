"""The gateway process: what all connections share, its clock, and the end of each turn of the loop."""

import asyncio
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import tasks
from gateway.calls.caller import Caller
from gateway.calls.revocation import end_revoked_tunnels
from gateway.catalogue.admission import Admitted
from gateway.catalogue.routing import Catalogue
from gateway.http.client_address import TrustedProxies
from gateway.http.masking import Pairs, recorded_fields
from gateway.http.trace_context import Trace, trace_id_of
from gateway.journal.record import CallRecord
from gateway.journal.writer import Journal
from gateway.limits.counters import Counters
from gateway.listeners.certificates import Certificates
from gateway.listeners.entrance import Entrance
from gateway.listeners.sockets import BACKLOG, Listener
from gateway.log import logger
from gateway.protocol import as_protocol
from gateway.telemetry.call_metrics import CallMetrics
from gateway.telemetry.debugging import Debugging
from gateway.upstream.balancing import Balancer
from gateway.upstream.circuit import Circuits
from gateway.upstream.pool import Pool

if TYPE_CHECKING:
    from gateway.calls.call import Call
    from gateway.calls.tunnel import TunnelEnd
    from gateway.limits.redis_counters import RedisCounters
    from gateway.listeners.arrival import Arrival
    from gateway.telemetry.access_log import AccessLog
    from gateway.telemetry.tracing import Tracing
    from gateway.upstream.connection import Upstream

# Deadlines are kept by looking at all of them this often: a timer per call would cost more than a call.
TICK_SECONDS = 0.1
# How long callers have to send one more request on a connection, or their first, before it ends.
PARTING_SECONDS = 0.5
PARTING_STEP_SECONDS = 0.02
# For connections that are cut off to end: over TLS that takes some turns of the loop.
CUTTING_OFF_SECONDS = 1.0
# Past MAX_CONNECTIONS so many at once are told so; the others just see the connection end.
MOST_TURNED_AWAY = 1000


@dataclass(frozen=True, slots=True)
class ServerLimits:
    head_bytes: int
    head_fields: int
    head_seconds: float
    body_bytes: int
    body_seconds: float
    body_minimum_bytes_per_second: int
    idle_seconds: float
    websocket_idle_seconds: float
    connections: int
    backend_connect_seconds: float
    backend_seconds: float
    backend_idle_seconds: float
    backend_idle_connections: int


class Server:
    """`catalogue` is what is served; it changes by one assignment. `time` is the loop's, of the last tick.

    `name` is the gateway's in Via, `region` is where it runs, for records. Where there are
    `shared_counters`, they have the word, and `counters` follow them.
    """

    def __init__(
        self,
        name: str,
        limits: ServerLimits,
        counters: Counters,
        journal: Journal,
        proxies: TrustedProxies,
        access_log: "AccessLog | None" = None,
        tracing: "Tracing | None" = None,
        certificates: Certificates | None = None,
        shared_counters: "RedisCounters | None" = None,
        debugging: Debugging | None = None,
        region: str = "",
    ) -> None:
        self.name = name.encode()
        self.region = region
        self.limits = limits
        self.counters = counters
        self.journal = journal
        self.proxies = proxies
        self.access_log = access_log
        self.tracing = tracing
        self.certificates = certificates
        self.shared_counters = shared_counters
        self.debugging = debugging
        self.catalogue: Catalogue | None = None
        self.is_draining = False
        self.metrics = CallMetrics()
        self.connections_refused = 0
        self.stalls = 0
        self.stall_seconds = 0.0
        self.upstreams: set[Upstream] = set()
        # Open WebSockets, with what let them in.
        self.tunnels: dict[TunnelEnd, Admitted] = {}
        self.pool = Pool(self)
        self.circuits = Circuits()
        self.balancer = Balancer(self.circuits)
        self._loop = asyncio.get_running_loop()
        self.time = self._loop.time()
        self._next_sweep = self.time
        self._all_gone = asyncio.Event()
        self._accepting: list[asyncio.AbstractServer | Entrance] = []
        self._callers: set[Caller | Arrival] = set()
        self._turned_away: set[Caller | Arrival] = set()
        self._finished: list[tuple[Caller, bytes]] = []
        self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)
        self._revocation: asyncio.Task[None] | None = None

    async def listen(self, listeners: Iterable[Listener]) -> None:
        for listener in listeners:
            self._accepting.append(await self._accept(socket.socket(fileno=listener.descriptor), listener))
        if self.certificates is not None:
            self.certificates.start()

    async def _accept(self, listening: socket.socket, listener: Listener) -> asyncio.AbstractServer | Entrance:
        if listener.scheme == "https":
            assert self.certificates is not None
            return Entrance(self, listening, self.certificates.context, is_proxied=listener.is_proxied)
        if listener.is_proxied:
            return Entrance(self, listening, None, is_proxied=True)
        return await self._loop.create_server(lambda: as_protocol(Caller(self)), sock=listening, backlog=BACKLOG)

    def stop_accepting(self) -> None:
        for accepting in self._accepting:
            accepting.close()

    def publish(self, catalogue: Catalogue) -> None:
        """Serve this catalogue from now on. For the event loop's thread."""
        self.catalogue = catalogue
        self.circuits.keep_only(catalogue.backends.rows.keys())
        self.balancer.keep_only(catalogue.backends.rows.keys())
        self.metrics.keep_to(catalogue.labels)

    @property
    def connections(self) -> int:
        """Open connections of callers, without those that are told that there is no room for them."""
        return len(self._callers) - len(self._turned_away)

    def welcome(self, caller: "Caller | Arrival") -> bool:
        self._callers.add(caller)
        if self.is_draining:
            # It was accepted at the moment of the stop, which has asked all others to end.
            caller.part(self._loop.time() + PARTING_SECONDS)
        if self.connections <= self.limits.connections:
            return True
        self.connections_refused += 1
        self._turned_away.add(caller)
        return False

    @property
    def may_turn_away_slowly(self) -> bool:
        """Whether one more may be given time to read why."""
        return len(self._turned_away) <= MOST_TURNED_AWAY

    def goodbye(self, caller: "Caller | Arrival") -> None:
        self._callers.discard(caller)
        self._turned_away.discard(caller)
        if self.is_draining and not self._callers:
            self._all_gone.set()

    def add_tunnel(self, tunnel: "TunnelEnd", admitted: Admitted) -> None:
        self.tunnels[tunnel] = admitted
        if self._revocation is None or self._revocation.done():
            self._revocation = tasks.start(end_revoked_tunnels(self), name="revocation")

    def finish(self, caller: Caller, data: bytes, call: "Call | None") -> None:
        """Take the last bytes of an answer. They leave at the end of this turn, after the call's record."""
        if call is not None:
            verdict = call.verdict
            if isinstance(verdict, Admitted) and verdict.stands:
                counters = self.shared_counters or self.counters
                counters.add_bytes(verdict, call.request_bytes + call.response_bytes, time.time())
            headers: Pairs = ()
            if call.response_code >= 400:
                assert self.catalogue is not None
                headers = recorded_fields(caller.request.fields.pairs, self.catalogue.key_fields)
            record = call.record(self.region, headers)
            self.journal.append(record)
            self.metrics.count(record)
            if call.retries:
                self.metrics.count_retries(record.api, call.retries)
            if self.access_log is not None:
                self.access_log.append(record, call.retries, trace_id_of(caller.request.fields.pairs, call.trace))
            if call.trace is not None:
                self._export(call.trace, record)
            if call.debug is not None and self.debugging is not None:
                self.debugging.end(call, call.debug)
        if not self._finished:
            self._loop.call_soon(self._end_turn)
        self._finished.append((caller, data))

    def count_stall(self, seconds: float) -> None:
        self.stalls += 1
        self.stall_seconds += seconds

    def _export(self, trace: Trace, record: CallRecord) -> None:
        assert self.tracing is not None
        assert self.catalogue is not None
        self.tracing.end(trace, record, self.catalogue.labels)

    def _end_turn(self) -> None:
        self.journal.flush()
        finished, self._finished = self._finished, []
        for caller, data in finished:
            try:
                caller.send_last(data)
            except Exception:
                # Whatever is wrong with one connection, the others get their answers.
                logger.exception("a connection to a caller failed")
                caller.cut_off()

    def _tick(self) -> None:
        # First of all, so that no failure in one of these can end all deadlines.
        self._ticking = self._loop.call_later(TICK_SECONDS, self._tick)
        self.time = now = self._loop.time()
        for connection in [connection for connection in self._callers if connection.deadline < now]:
            connection.expired()
        for upstream in [upstream for upstream in self.upstreams if upstream.deadline < now]:
            upstream.expired()
        if now >= self._next_sweep:
            self._next_sweep = now + 1.0
            unix_time = time.time()
            self.journal.tick(unix_time)
            self.pool.sweep()
            if self.debugging is not None:
                self.debugging.traces.tick(unix_time)
            if self.catalogue is not None:
                self.counters.sweep(self.catalogue, unix_time)
        if self.access_log is not None:
            self.access_log.flush()

    async def hand_over(self) -> None:
        """Let the next worker accept and count, without a caller that notices.

        Callers are told with their next answer that the connection ends. Those that ask nothing in
        PARTING_SECONDS lose theirs, as idle ones may at any time (RFC 9112 9.3).
        """
        self._part_from_callers()
        await asyncio.sleep(PARTING_SECONDS)
        self.stop_accepting()
        end = self._loop.time() + PARTING_SECONDS
        while True:
            # What is accepted already shows up in the next turns of the loop.
            await asyncio.sleep(PARTING_STEP_SECONDS)
            if not self._part_from_callers() or self._loop.time() > end:
                break
        await asyncio.wrap_future(self.journal.hand_over())

    def _part_from_callers(self) -> bool:
        """Whether some of them may be about to ask."""
        deadline = self._loop.time() + PARTING_SECONDS
        return sum(caller.part(deadline) for caller in list(self._callers)) > 0

    async def finish_calls(self, seconds: float) -> None:
        """Let calls in flight finish, for so long at most, after the hand-over."""
        end = self._loop.time() + seconds
        while self._callers and self._loop.time() < end:
            self._part_from_callers()
            await asyncio.sleep(PARTING_STEP_SECONDS)
        await self._end()

    async def drain(self, seconds: float) -> None:
        """Stop: let calls in flight finish, for so long at most; idle connections close at once."""
        self.is_draining = True
        self.stop_accepting()
        for caller in list(self._callers):
            caller.drain()
        if self._callers:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), seconds)
        await self._end()

    async def _end(self) -> None:
        self.is_draining = True
        self.pool.close()
        for caller in list(self._callers):
            caller.give_up()
        if self._callers:
            # Their calls are recorded when they have ended, and the journal must still be open then.
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_gone.wait(), CUTTING_OFF_SECONDS)
        self._ticking.cancel()
        if self._revocation is not None:
            self._revocation.cancel()
        if self._finished:
            self._end_turn()
        self.journal.close()
        if self.shared_counters is not None:
            await self.shared_counters.close()
        if self.access_log is not None:
            self.access_log.close()
        if self.tracing is not None:
            self.tracing.close()
        if self.certificates is not None:
            self.certificates.stop()
        if self.debugging is not None:
            self.debugging.traces.close()
