"""One WebSocket; prints what came of it as JSON.

websocket_client.py URL CORRELATION-ID ENDING, where ENDING says who ends it, and how:
    close          the client, with a close frame
    break          the client, by a reset of its connection
    service-close  the service, with a close frame
    service-break  the service, by the end of its connection
"""

import json
import socket
import struct
import sys
import time

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

MESSAGES = ["hello", "grüße \N{SNOWMAN}", "", b"\x00\xff" * 512, b"x" * (1 << 20)]
QUIET_SECONDS = 0.3


def talk(connection):
    """How many messages came back as they went."""
    echoed = 0
    for message in MESSAGES:
        connection.send(message)
        echoed += connection.recv() == message
    connection.send(iter(["in ", "three ", "frames"]))
    echoed += connection.recv() == "in three frames"
    # As a chat does most of the time.
    time.sleep(QUIET_SECONDS)
    echoed += connection.ping().wait(60)
    return echoed


def end(connection, ending):
    """Ends it so; gives the code that it was closed with, where the peers spoke of it."""
    if ending == "close":
        connection.close(1000, "done")
    elif ending == "break":
        # Lingering for no time: the kernel sends a reset.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.shutdown(socket.SHUT_RDWR)
        connection.socket.close()
        return None
    else:
        connection.send(ending.removeprefix("service-"))
        try:
            connection.recv()
        except ConnectionClosed:
            pass
    return connection.close_code


def main(url, correlation_id, ending):
    headers = {"x-correlation-id": correlation_id}
    try:
        connection = connect(url, proxy=None, max_size=None, additional_headers=headers)
    except InvalidStatus as refusal:
        answer = refusal.response
        return {"status": answer.status_code, "headers": dict(answer.headers)}
    opened = time.monotonic()
    echoed = talk(connection)
    open_ms = (time.monotonic() - opened) * 1000
    close_code = end(connection, ending)
    return {
        "status": connection.response.status_code,
        "headers": dict(connection.response.headers),
        "lost": len(MESSAGES) + 2 - echoed,
        "open_ms": open_ms,
        "close_code": close_code,
    }


print(json.dumps(main(*sys.argv[1:])))
