# The collector as an image with a single static program.
#
#   docker build -f packaging/collector.Dockerfile -t gatelog-collector:0.1.0 .
#   docker run --read-only --cap-drop ALL -v gatelog-spool:/var/lib/gatelog -e MONGODB_URI=… gatelog-collector:0.1.0
FROM rust:1.91.1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make musl-tools \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /gatelog
COPY . .
RUN make collector-static
# This sets who may write the spool: a new volume inherits the directory's owner.
RUN mkdir /spool

FROM scratch
COPY --from=build /gatelog/target/x86_64-unknown-linux-musl/release/gatelog-collector /gatelog-collector
COPY --from=build --chown=65532:65532 /spool /var/lib/gatelog
USER 65532:65532
# Listens on all addresses of the container; restrict access outside. Set GATELOG_TOKENS_FILE.
ENV GATELOG_LISTEN=0.0.0.0:8686 GATELOG_SPOOL_DIR=/var/lib/gatelog
# The only copy of records that were acknowledged and are not in MongoDB yet.
VOLUME /var/lib/gatelog
EXPOSE 8686
# With TLS, override it: health --url https://NAME:8686 --ca FILE.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/gatelog-collector", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/gatelog-collector"]
