# The collector as an image of one static program and nothing else.
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
# Who may write the spool is decided here: a new volume takes over the directory's owner.
RUN mkdir /spool

FROM scratch
COPY --from=build /gatelog/target/x86_64-unknown-linux-musl/release/gatelog-collector /gatelog-collector
COPY --from=build --chown=65532:65532 /spool /var/lib/gatelog
USER 65532:65532
# All addresses of the container: who reaches them is decided outside. Set GATELOG_TOKENS_FILE.
ENV GATELOG_LISTEN=0.0.0.0:8686 GATELOG_SPOOL_DIR=/var/lib/gatelog
# What was acknowledged and is not in MongoDB yet is here, and only here.
VOLUME /var/lib/gatelog
EXPOSE 8686
# With TLS, override it: health --url https://NAME:8686 --ca FILE.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/gatelog-collector", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/gatelog-collector"]
