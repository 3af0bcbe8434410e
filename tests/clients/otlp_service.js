// A service that logs with pino through the OpenTelemetry SDK: the recipe of docs/applications.md,
// and two routes. Prints its port; ends when its input ends.
"use strict";

// --- recipe
const { AsyncLocalStorage } = require("node:async_hooks");
const { logs } = require("@opentelemetry/api-logs");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-http");
const { PinoInstrumentation } = require("@opentelemetry/instrumentation-pino");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { BatchLogRecordProcessor, LoggerProvider } = require("@opentelemetry/sdk-logs");

// OTEL_EXPORTER_OTLP_LOGS_ENDPOINT names the collector.
const provider = new LoggerProvider({
  resource: resourceFromAttributes({ "service.name": "payments" }),
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});
logs.setGlobalLoggerProvider(provider);
// Before pino is loaded, which it changes.
new PinoInstrumentation();
const pino = require("pino");

// The ids that the gateway sent with the request.
const ids = new AsyncLocalStorage();
const log = pino({ name: "app.payments", mixin: () => ids.getStore() ?? {} }, pino.destination(2));

const withIds = (handler) => (request, response) => {
  const sent = {
    request_id: request.headers["x-request-id"],
    correlation_id: request.headers["x-correlation-id"],
    organization_id: request.headers["x-organization-id"],
    user_id: request.headers["x-user-id"],
  };
  return ids.run(sent, () => handler(request, response));
};

const exception = (error) => ({
  "exception.type": error.name,
  "exception.message": error.message,
  "exception.stacktrace": error.stack,
});
// --- end of the recipe

const http = require("node:http");

function charge(order) {
  throw new RangeError(`no such order: ${order}`);
}

async function show(request, response) {
  log.info({ sku: "a-1", "db.password": "hunter2" }, "stock is low");
  await new Promise((resolve) => setTimeout(resolve, 5));
  try {
    if (request.url.endsWith("/missing")) charge("missing");
    response.end("ok");
  } catch (error) {
    log.error(exception(error), "Exception on %s", request.url);
    response.writeHead(500).end();
  }
}

const server = http.createServer(withIds(show));
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin
  .on("end", async () => {
    await provider.shutdown();
    process.exit(0);
  })
  .resume();
