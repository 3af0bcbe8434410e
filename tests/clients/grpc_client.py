"""One gRPC call; prints what came of it as JSON.

grpc_client.py TARGET METHOD REQUEST CORRELATION-ID [--deadline SECONDS] [--cancel]
"""

import argparse
import json

import grpc

parser = argparse.ArgumentParser()
parser.add_argument("target")
parser.add_argument("method")
parser.add_argument("request")
parser.add_argument("correlation_id")
parser.add_argument("--deadline", type=float)
parser.add_argument("--cancel", action="store_true", help="after the first message")
asked = parser.parse_args()

with grpc.insecure_channel(asked.target, options=[("grpc.enable_http_proxy", 0)]) as channel:
    # A unary call is a stream with one message.
    call = channel.unary_stream(asked.method)(
        asked.request.encode(),
        timeout=asked.deadline,
        metadata=[("x-correlation-id", asked.correlation_id)],
    )
    messages = []
    try:
        for message in call:
            messages.append(message.decode())
            if asked.cancel:
                call.cancel()
    except grpc.RpcError:
        pass  # the code says it
    # Of an answer without messages, all headers count as trailing.
    metadata = [*(call.initial_metadata() or []), *(call.trailing_metadata() or [])]
    print(json.dumps({"code": call.code().name, "messages": messages, "metadata": dict(metadata)}))
