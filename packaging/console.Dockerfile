# The console as an image with a single static program; its pages are part of it.
#
#   docker build -f packaging/console.Dockerfile -t gatelog-console:0.1.0 .
#   docker run --read-only --cap-drop ALL -p 127.0.0.1:8687:8687 -v ./viewers:/etc/gatelog/viewers:ro \
#     -e GATELOG_CONSOLE_TOKENS_FILE=/etc/gatelog/viewers -e MONGODB_URI=… gatelog-console:0.1.0
FROM rust:1.91.1-slim-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make musl-tools \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /gatelog
COPY . .
RUN make console-static

FROM scratch
COPY --from=build /gatelog/target/x86_64-unknown-linux-musl/release/gatelog-console /gatelog-console
USER 65532:65532
# Listens on all addresses of the container; restrict access outside. It writes nothing to disk.
ENV GATELOG_CONSOLE_LISTEN=0.0.0.0:8687
EXPOSE 8687
# With TLS, override it: health --url https://NAME:8687 --ca FILE.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/gatelog-console", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/gatelog-console"]
CMD ["serve"]
