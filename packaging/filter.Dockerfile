# Images of the filter, for the two ways to deploy it:
#
#   docker build -f packaging/filter.Dockerfile --target module  -t registry.example.com/gatelog:0.1.0 .
#   docker build -f packaging/filter.Dockerfile --target gateway -t registry.example.com/gatelog-gateway:0.1.0 .
#
# `module` contains only the module, as Istio and Envoy Gateway fetch it (oci://…); `gateway` is Envoy
# with the module and the drain recipe, as envoy/compose.yaml and envoy/kubernetes/ run it.
FROM rust:1.91.1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add wasm32-wasip1 wasm32-unknown-unknown
WORKDIR /gatelog
COPY . .
RUN make wasm

FROM scratch AS module
COPY --from=build /gatelog/target/gatelog.wasm /plugin.wasm

FROM envoyproxy/envoy:v1.40.0 AS gateway
# Needed by the drain recipe.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash curl mawk \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build --chmod=0444 /gatelog/target/gatelog.wasm /etc/gatelog/gatelog.wasm
COPY --chmod=0555 envoy/drain.sh /usr/local/bin/gatelog-drain
COPY --chmod=0444 envoy/container.yaml /etc/gatelog/envoy.yaml
USER 65532:65532
EXPOSE 8080
# Not the base image's script, which starts as root.
ENTRYPOINT ["/usr/local/bin/envoy"]
# The second flag limits the output that is lost when Envoy is killed: see docs/operations.md.
CMD ["-c", "/etc/gatelog/envoy.yaml", "--file-flush-interval-msec", "200"]
