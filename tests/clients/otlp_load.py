"""Logs through Python's `logging` and the OpenTelemetry SDK as fast as it goes; prints what it took.

otlp_load.py COUNT [PROCESSES]   OTEL_EXPORTER_OTLP_LOGS_ENDPOINT names the collector
"""

import json
import logging
import multiprocessing
import sys
import time

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource


def log(count):
    provider = LoggerProvider(resource=Resource.create({"service.name": "load"}))
    processor = BatchLogRecordProcessor(OTLPLogExporter(timeout=60), max_queue_size=count, schedule_delay_millis=200)
    provider.add_log_record_processor(processor)
    logger = logging.getLogger("app.load")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(LoggingHandler(logger_provider=provider, log_code_attributes=True))
    begun, used = time.monotonic(), time.process_time()
    for number in range(count):
        logger.info("order %d was paid", number, extra={"correlation_id": f"corr_{number // 10}", "sku": "a-1"})
    logged = time.monotonic() - begun
    provider.force_flush(600_000)
    provider.shutdown()
    return logged, time.monotonic() - begun, time.process_time() - used


if __name__ == "__main__":
    count, processes = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with multiprocessing.Pool(processes) as pool:
        taken = pool.map(log, [count] * processes)
    longest = max(whole for _, whole, _ in taken)
    used = sum(used for _, _, used in taken)
    print(json.dumps({
        "records": count * processes,
        "records_a_second": round(count * processes / longest),
        "logging_seconds": [round(logged, 2) for logged, _, _ in taken],
        "seconds": [round(whole, 2) for _, whole, _ in taken],
        "processor_us_a_record": round(used * 1e6 / (count * processes), 1),
    }))
