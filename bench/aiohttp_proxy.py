"""The usual Python answer: an ASGI application under uvicorn that checks a key, counts, and calls by aiohttp."""

import hmac
import os
import time
from collections import deque
from hashlib import sha256

import aiohttp

BACKEND = os.environ["BENCH_BACKEND"]
SECRET = b"0123456789abcdef0123456789abcdef"
KEYS = {hmac.digest(SECRET, os.environ["BENCH_KEY"].encode(), sha256): "subscription"}
CALLS, PERIOD_SECONDS = 1_000_000_000, 60
HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"trailer", b"upgrade", b"content-length"}
times: deque[float] = deque()
sessions: list[aiohttp.ClientSession] = []


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        connector = aiohttp.TCPConnector(limit=0)
        sessions.append(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    key = next((value for name, value in scope["headers"] if name == b"ocp-apim-subscription-key"), b"")
    if hmac.digest(SECRET, key, sha256) not in KEYS:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        return
    now = time.time()
    while times and times[0] + PERIOD_SECONDS <= now:
        times.popleft()
    if len(times) < CALLS:
        times.append(now)
    await forward(scope, receive, send)


async def forward(scope, receive, send):
    headers = [
        (name.decode(), value.decode())
        for name, value in scope["headers"]
        if name not in HOP_BY_HOP and name not in (b"host", b"ocp-apim-subscription-key")
    ]
    path = scope["raw_path"].decode().removeprefix("/azureml-demo")
    query = scope["query_string"].decode()
    has_body = scope["method"] in ("POST", "PUT", "PATCH")
    async with sessions[0].request(
        scope["method"],
        f"{BACKEND}{path}{'?' + query if query else ''}",
        headers=headers,
        data=body_of(receive) if has_body else None,
    ) as answer:
        kept = [(name, value) for name, value in answer.raw_headers if name.lower() not in HOP_BY_HOP]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def body_of(receive):
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        yield message.get("body", b"")
