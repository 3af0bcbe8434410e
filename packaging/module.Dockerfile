# Envoy with gatelog as a dynamic module: see docs/module.md, and docs/choosing.md before you choose it.
#
#   docker build -f packaging/module.Dockerfile -t registry.example.com/gatelog-module:0.1.0 .
#
# The library is for this image's processor, its C library or a newer one, and its release of Envoy.
FROM rust:1.91.1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /gatelog
COPY . .
RUN make module

FROM envoyproxy/envoy:v1.40.0
# Needed by the drain recipe.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bash curl mawk \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build --chmod=0444 /gatelog/target/libgatelog.so /usr/lib/gatelog/libgatelog.so
COPY --chmod=0555 envoy/drain.sh /usr/local/bin/gatelog-drain
# Addresses, routes and clusters are examples: mount your own over it.
COPY --chmod=0444 envoy/module.yaml /etc/gatelog/envoy.yaml
ENV ENVOY_DYNAMIC_MODULES_SEARCH_PATH=/usr/lib/gatelog
USER 65532:65532
EXPOSE 8080
# Not the base image's script, which starts as root.
ENTRYPOINT ["/usr/local/bin/envoy"]
# The second flag limits the output that is lost when Envoy is killed: see docs/operations.md.
CMD ["-c", "/etc/gatelog/envoy.yaml", "--file-flush-interval-msec", "200"]
