"""A gRPC service that does what the request says. Prints its port; ends when its input ends.

No generated code: methods are named by their paths, messages are plain bytes.
"""

import sys
import threading
from concurrent import futures

import grpc


def answer(request, context):
    """Echoes; the name of a status is answered with that status."""
    status = getattr(grpc.StatusCode, request.decode(), None)
    if status is not None:
        context.abort(status, "as asked")
    return request


def count(request, context):
    """As many messages as the request says."""
    for number in range(int(request)):
        yield str(number).encode()


def wait(request, context):
    """One message, and then nothing for as long as the client stays."""
    gone = threading.Event()
    context.add_callback(gone.set)
    yield b"waiting"
    gone.wait()


def hold(request, context):
    """No answer for as long as the client stays."""
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait()
    return b""


handlers = {
    "Answer": grpc.unary_unary_rpc_method_handler(answer),
    "Hold": grpc.unary_unary_rpc_method_handler(hold),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Wait": grpc.unary_stream_rpc_method_handler(wait),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("gatelog.test.Calls", handlers),))
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(grace=0)
