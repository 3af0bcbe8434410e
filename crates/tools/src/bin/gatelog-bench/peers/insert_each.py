"""One insert a document, each awaited: what an application that logs to MongoDB does by itself.

Takes a JSON record a line over TCP. Without arguments it writes one document of each, the one that
the collector would write to its level's collection; with `all`, every document that the collector
would write.
"""

import json
import os
import socket
import sys
import uuid
from datetime import datetime

from pymongo import MongoClient

FLOW = {
    "trace": ("execution_time_ms", "status", "slow", "trace_id", "parent_span_id", "upstream_ms"),
    "http": ("method", "path", "status", "route"),
    "error": ("details", "flags", "grpc_status"),
}


def flow(document: dict) -> dict:
    """The compact document of a flow."""
    keys = ("_id", "timestamp", "level", "logger_name", "function_name", "created_at", "context")
    compact = {key: document[key] for key in keys}
    for part, known in FLOW.items():
        if part in document:
            compact[part] = {key: document[part][key] for key in known if key in document[part]}
    return compact


def store(database, record: dict, all_documents: bool) -> None:
    document = {"_id": uuid.UUID(record.pop("id")), **record}
    document["created_at"] = datetime.fromisoformat(record["timestamp"])
    if all_documents:
        database["trace_logs"].insert_one(flow(document))
        if record.get("audit"):
            database["audit_logs"].insert_one(document)
    # Last: the benchmark waits for this one.
    database[f"{record['level'].lower()}_logs"].insert_one(document)


client = MongoClient(os.environ["MONGODB_URI"], uuidRepresentation="standard", w="majority")
database = client[os.environ["DATABASE"]]
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            store(database, json.loads(line), sys.argv[1:] == ["all"])
