"""A service that logs with Python's `logging` through the OpenTelemetry SDK: the recipe of
docs/applications.md, and two routes. Prints its port; ends when its input ends.
"""

import sys
import threading

# --- recipe
import logging
from contextvars import ContextVar

from flask import Flask, request
from opentelemetry import context, propagate
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

# OTEL_EXPORTER_OTLP_LOGS_ENDPOINT names the collector.
provider = LoggerProvider(resource=Resource.create({"service.name": "orders"}))
provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(timeout=60)))
handler = LoggingHandler(logger_provider=provider, log_code_attributes=True)

# The ids that the gateway sent with the request.
ids = ContextVar("ids", default={})
HEADERS = {
    "request_id": "x-request-id",
    "correlation_id": "x-correlation-id",
    "organization_id": "x-organization-id",
    "user_id": "x-user-id",
}


class WithIds(logging.Filter):
    def filter(self, record):
        vars(record).update(ids.get())
        return True


handler.addFilter(WithIds())
logging.basicConfig(level=logging.INFO)
# Not by basicConfig, which would give it a formatter: the message would repeat level and stack.
logging.getLogger().addHandler(handler)
logger = logging.getLogger("app.orders")

app = Flask(__name__)


@app.before_request
def enter():
    sent = {name: request.headers.get(header) for name, header in HEADERS.items()}
    ids.set({name: value for name, value in sent.items() if value})
    # The caller's span: its trace id is in every record.
    request.environ["otel"] = context.attach(propagate.extract(request.headers))


@app.teardown_request
def leave(_):
    context.detach(request.environ["otel"])
    ids.set({})


# --- end of the recipe


def charge(order):
    raise ValueError(f"no such order: {order}")


@app.get("/orders/<order>")
def show(order):
    logger.info("stock is low", extra={"sku": "a-1", "db.password": "hunter2"})
    if order == "missing":
        charge(order)
    return "ok"


if __name__ == "__main__":
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
    server.shutdown()
    provider.shutdown()
