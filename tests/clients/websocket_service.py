"""A WebSocket service that sends back what it gets. Prints its port; ends when its input ends.

A text "close" has it close the connection, "break" has it drop the connection.
"""

import socket
import sys
import threading

from websockets.exceptions import ConnectionClosedError
from websockets.sync.server import serve


def echo(connection):
    try:
        for message in connection:
            if message == "close":
                connection.close(1001, "as asked")
            elif message == "break":
                connection.socket.shutdown(socket.SHUT_RDWR)
            else:
                connection.send(message)
    except ConnectionClosedError:
        pass  # without a close frame, as some tests want it


with serve(echo, "127.0.0.1", 0, max_size=None) as server:
    print(server.socket.getsockname()[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    server.shutdown()
