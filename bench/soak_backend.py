"""What the soak test calls: `python -m bench.soak_backend PORT WEBSOCKET_PORT`.

    POST /execute   a JSON answer of 150 bytes          GET /events   ten server-sent events in two seconds
    GET  /small     1 KB                                POST /upload  the number of bytes received
    GET  /large     LARGE_BYTES in chunks               GET /slow     1 KB after half a second
    GET  /silent    the connection ends without an answer

The WebSocket port echoes.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

from websockets.asyncio.server import ServerConnection, serve

LARGE_BYTES = 4 * 2**20
PIECE = bytes(2**16)
EVENTS = 10
EVENT_SECONDS = 0.2
SCORED = b'{"Results":{"output1":{"type":"table","value":[["0.97"]]}}}'.ljust(150)


async def main(port: int, websocket_port: int) -> None:
    server = await asyncio.start_server(converse, "127.0.0.1", port, backlog=1024, limit=2**20)
    async with serve(echo, "127.0.0.1", websocket_port, max_size=None, compression=None):
        await server.serve_forever()


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            received = 0
            async for part in body_of(head.lower(), reader):
                received += len(part)
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            if path == b"/silent":
                break
            await answer(path, received, writer)
    writer.close()


async def body_of(head: bytes, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    if b"\r\ntransfer-encoding: chunked" in head:
        while size := int((await reader.readline()).partition(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        while await reader.readline() != b"\r\n":
            pass
    elif b"\r\ncontent-length: " in head:
        left = int(head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0])
        while left:
            part = await reader.read(min(left, len(PIECE)))
            if not part:
                raise ConnectionResetError
            left -= len(part)
            yield part


async def answer(path: bytes, received: int, writer: asyncio.StreamWriter) -> None:
    if path == b"/large":
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(LARGE_BYTES // len(PIECE)):
            writer.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
    elif path == b"/events":
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(EVENTS):
            writer.write(b"b\r\ndata: tick\n\r\n")
            await writer.drain()
            await asyncio.sleep(EVENT_SECONDS)
        writer.write(b"0\r\n\r\n")
    else:
        if path == b"/slow":
            await asyncio.sleep(0.5)
        body = {b"/execute": SCORED, b"/upload": b"%d" % received}.get(path, bytes(1024))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    await writer.drain()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
