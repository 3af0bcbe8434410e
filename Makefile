# gatelog: `make help` lists the targets.
#
# Run `make tools` once first; `make demo` and `make test` run it themselves. You need not run
# everything locally: `make unit` needs only Rust, `make test-native test-artifact` needs no Node,
# and `make test-e2e` is enough for a change to the configuration or the collector. CI runs
# everything.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# A failed test prints its error without a backtrace.
export RUST_LIB_BACKTRACE := 0
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help
help: ## List these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# --- Tools and builds ---

.PHONY: tools
tools: ## Get Envoy, a test database, the wasm targets and the checkers into .tools/
	@scripts/tools.sh

.PHONY: runtime
runtime:
	@scripts/tools.sh runtime

.PHONY: wasm
wasm: ## Build the filter: target/gatelog.wasm
	@scripts/wasm-toolchain.sh
	@scripts/build-wasm.sh

.PHONY: collector
collector: ## Build the collector: target/release/gatelog-collector
	cargo build --release --package gatelog-collector

.PHONY: module
module: ## Build the filter as an Envoy dynamic module: target/libgatelog.so
	cargo build --profile module --package gatelog-module
	install -m 644 target/module/libgatelog_module.so target/libgatelog.so
	@printf '%s: %s bytes\n' target/libgatelog.so "$$(stat -c %s target/libgatelog.so)"

.PHONY: console
console: ## Build the console's pages: crates/console/web/dist
	@scripts/console.sh

STATIC_TARGET := x86_64-unknown-linux-musl

.PHONY: collector-static
collector-static: ## Build the collector as a static binary for any Linux (needs musl-tools)
	$(call static,gatelog-collector)

.PHONY: console-static
console-static: ## Build the console as a static binary for any Linux (needs musl-tools)
	$(call static,gatelog-console)

define static
@rustc --print target-libdir --target $(STATIC_TARGET) | xargs test -d || rustup target add $(STATIC_TARGET)
cargo build --release --target $(STATIC_TARGET) --package $(1)
@printf '%s: %s bytes\n' target/$(STATIC_TARGET)/release/$(1) \
	"$$(stat -c %s target/$(STATIC_TARGET)/release/$(1))"
endef

# Always `--workspace`: dependencies then have the same features in every command and are compiled
# once. These test targets of tests/Cargo.toml need a built filter and run only by name, so that
# `cargo test --workspace` runs without one.
NAMED_TESTS := --test artifact --test clients --test clients-module --test e2e --test e2e-module --test filter \
	--test module --test packaging

# --- Demo ---
# Reads GATEWAY_PORT (8080), CONSOLE_PORT (8687), MONGODB_URI and GATELOG_DATABASE (pytake_logs).

.PHONY: demo
demo: runtime wasm ## Run the whole system until Ctrl-C; ONCE=1 checks it and exits
	cargo build --workspace --bins
	@target/debug/gatelog-demo $(if $(filter 1,$(ONCE)),--once)

# --- Quick checks ---

.PHONY: check
check: lints unit ## Formatting, lints, docs, licences, unit tests

.PHONY: lints
lints: fmt-check shellcheck circles lint lint-wasm doc deny ## The same without the unit tests, which `make test` runs too

.PHONY: fmt
fmt: ## Format all code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path tests/conformance/Cargo.toml
	cargo fmt --manifest-path tests/logging/Cargo.toml
	cargo fmt --manifest-path tests/plain/Cargo.toml

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path tests/conformance/Cargo.toml --check
	cargo fmt --manifest-path tests/logging/Cargo.toml --check
	cargo fmt --manifest-path tests/plain/Cargo.toml --check

.PHONY: circles
circles: ## Check for import cycles between source files
	@scripts/import-circles.py src crates/*/src crates/tools/src/bin/*

.PHONY: shellcheck
shellcheck: ## Lint the shell scripts
	shellcheck --external-sources scripts/*.sh envoy/drain.sh .ci/run

.PHONY: lint
lint: ## Clippy for the native targets, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace $(NAMED_TESTS) -- -D warnings

.PHONY: lint-wasm
lint-wasm: ## Clippy for the wasm filter, and for the benchmark's baseline filter
	@scripts/wasm-toolchain.sh
	scripts/wasm-cargo.sh wasm32-wasip1 clippy --package gatelog --package gatelog-delivery --package gatelog-record -- -D warnings
	CARGO_TARGET_DIR=target/plain scripts/wasm-cargo.sh wasm32-wasip1 clippy --locked \
		--manifest-path tests/plain/Cargo.toml -- -D warnings

.PHONY: doc
doc: ## Rustdoc, warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet

.PHONY: deny
deny: ## Licences, bans and sources of all dependencies
	cargo deny --log-level error --locked check licenses bans sources

.PHONY: advisories
advisories: ## Known vulnerabilities of dependencies (needs the network)
	cargo deny check advisories

.PHONY: unit
unit: ## Unit tests of all crates
	cargo test --workspace --exclude gatelog-tests --lib --bins --quiet
	cargo test --workspace --test checkout --quiet

# --- The tests ---

.PHONY: test
test: tools test-native test-node test-artifact test-conformance test-e2e test-clients test-packaging test-console ## Every test: native, Node, artifact, end to end

.PHONY: test-native
test-native: ## Unit, integration and documentation tests of the crates
	cargo test --workspace

.PHONY: test-node
test-node: ## Unit tests of the filter and record crates as wasm, under Node
	@scripts/wasm-toolchain.sh
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
	scripts/wasm-cargo.sh wasm32-unknown-unknown test --lib --package gatelog --package gatelog-delivery --package gatelog-record

.PHONY: test-artifact
test-artifact: wasm ## The shipped .wasm on a strict mock host
	cargo test --workspace --test artifact

# The host declares Rust 1.96; it compiles with 1.95.
.PHONY: test-conformance
test-conformance: wasm ## The shipped .wasm on a second proxy-wasm host, on Wasmtime
	CARGO_TARGET_DIR=target/conformance cargo test --manifest-path tests/conformance/Cargo.toml \
		--locked --ignore-rust-version

# Each test runs its own Envoy, collector and services: running more at once only slows them down.
E2E_THREADS ?= 2

.PHONY: test-e2e
test-e2e: wasm module ## Real Envoy, collector and database; FILTER=name for some of them
	cargo build --workspace --bins
	cargo test --workspace --test e2e --test e2e-module --test filter --test module $(FILTER) -- --test-threads=$(E2E_THREADS)

.PHONY: test-envoy
test-envoy: wasm ## Test another Envoy release: loading, ids, records, delivery; ENVOY_VERSION=1.37.0
	@test -n "$(ENVOY_VERSION)" || { echo 'error: ENVOY_VERSION is not set; for example: make test-envoy ENVOY_VERSION=1.37.0' >&2; exit 1; }
	cargo build --workspace --bins
	GATELOG_ENVOY="$$(scripts/envoy-version.sh $(ENVOY_VERSION))" \
		cargo test --workspace --test e2e supported:: -- --test-threads=$(E2E_THREADS)

.PHONY: test-clients
test-clients: wasm module ## Drive the gateway with third-party clients; FILTER=name for some of them
	cargo build --workspace --bins
	cargo test --workspace --test clients --test clients-module $(FILTER) -- --test-threads=$(E2E_THREADS)

# FILTER=tests/console/search.test.js runs the tests of that file.
.PHONY: test-console
test-console: runtime ## The console's pages in a real Chromium, and that dist/ is what its sources make
	@scripts/console.sh --check
	cargo build --workspace --bins
	@scripts/console.sh --test $(FILTER)

.PHONY: pictures
pictures: export GATELOG_PICTURES := renew
pictures: runtime ## Renew the pictures of the console in docs/images/
	cargo build --workspace --bins
	@scripts/console.sh --test tests/console/pictures.test.js

.PHONY: test-packaging
test-packaging: wasm ## Check images, systemd unit, Compose, Kubernetes and alerts against the programs
	cargo build --workspace --bins
	cargo test --workspace --test packaging

# --- Fuzzing, benchmarks, fault injection ---

.PHONY: fuzz
fuzz: ## Coverage-guided fuzzing; FUZZ_SECONDS=10 for each target
	@scripts/fuzz.sh

# BENCH_WORKERS=2 runs Envoy with two workers; BENCH_STDOUT=pipe gives it a pipe instead of a file;
# BENCH_VARIANTS="lua module" runs some of the variants.
# BENCH_CONSOLE_RECORDS=20000 fills the console's database with fewer records.
# BENCH_BEFORE=COMMIT also measures the filter of an earlier commit; with PARTS=collector its collector.
.PHONY: bench
bench: runtime wasm module ## Benchmarks, compared with the alternatives; PARTS="envoy collector growth console peers"
	@scripts/build-plain.sh
	$(if $(BENCH_BEFORE),@scripts/build-before.sh $(BENCH_BEFORE) wasm)
	$(if $(and $(BENCH_BEFORE),$(filter collector,$(PARTS))),@scripts/build-before.sh $(BENCH_BEFORE) collector)
	$(if $(filter peers,$(PARTS)),@scripts/peers.sh)
	cargo build --release --package gatelog-collector $(if $(filter console,$(PARTS)),--package gatelog-console)
	cargo build --profile load --package gatelog-tools --bin gatelog-bench
	BENCH_PLAIN_WASM=target/plain.wasm $(if $(BENCH_BEFORE),BENCH_BEFORE_WASM=target/before/gatelog.wasm) $(if $(and $(BENCH_BEFORE),$(filter collector,$(PARTS))),BENCH_BEFORE_COLLECTOR=target/before/gatelog-collector) GATELOG_COLLECTOR=target/release/gatelog-collector GATELOG_CONSOLE=target/release/gatelog-console \
		target/load/gatelog-bench $(PARTS)

.PHONY: bench-tracing
bench-tracing: ## Cost of one event of gatelog-tracing, compared with other layers
	CARGO_TARGET_DIR=target/logging cargo run --release --locked --quiet --manifest-path tests/logging/Cargo.toml -- target/logging/report.json

# CASES="name …" runs some of them; CHAOS_PACE=10 makes every step ten times longer; CHAOS_SHELL=module
# runs them with the dynamic module.
.PHONY: chaos
chaos: wasm $(if $(filter module,$(CHAOS_SHELL)),module) ## Inject faults into the running system and audit each case; CASES=name
	@scripts/build-wasm.sh --features trap
	cargo build --workspace --bins
	@scripts/chaos.sh $(CASES)

.PHONY: endurance
endurance: export CHAOS_MINUTES ?= 60
endurance: export CHAOS_PACE ?= 10
endurance: CASES := endurance
endurance: chaos ## An hour under load with faults and memory sampling; CHAOS_MINUTES=60

# --- Clean up ---

.PHONY: clean
clean: ## Remove build output; .tools/ stays
	cargo clean
