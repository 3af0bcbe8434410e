# gatelog: `make help` lists the targets.
#
# `make tools` first, once; `make demo` and `make test` do it by themselves. What may be skipped
# locally: `make unit` needs nothing but Rust; `make test-native test-artifact` needs no Node;
# `make test-e2e` alone is what a change of configuration or of the collector calls for. CI skips
# nothing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# A failed test prints its error, not the whole stack of every error on the way.
export RUST_LIB_BACKTRACE := 0
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help
help: ## List these targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

# --- What it stands on, and what it makes ---

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

STATIC_TARGET := x86_64-unknown-linux-musl

.PHONY: collector-static
collector-static: ## Build the collector as one static program, for any Linux (needs musl-tools)
	@rustc --print target-libdir --target $(STATIC_TARGET) | xargs test -d || rustup target add $(STATIC_TARGET)
	cargo build --release --target $(STATIC_TARGET) --package gatelog-collector
	@printf '%s: %s bytes\n' target/$(STATIC_TARGET)/release/gatelog-collector \
		"$$(stat -c %s target/$(STATIC_TARGET)/release/gatelog-collector)"

# Always `--workspace`: features of dependencies are then the same in every command, and each is
# compiled once. So that `cargo test --workspace` runs what needs no built filter, these test
# targets of tests/Cargo.toml are run only by name.
NAMED_TESTS := --test artifact --test clients --test e2e --test filter --test packaging

# --- To see it work ---
# GATEWAY_PORT (8080), MONGODB_URI and GATELOG_DATABASE (pytake_logs) are heeded.

.PHONY: demo
demo: runtime wasm ## See the whole work, until Ctrl-C; ONCE=1 checks it and ends
	cargo build --workspace --bins
	@target/debug/gatelog-demo $(if $(filter 1,$(ONCE)),--once)

# --- The quick loop ---

.PHONY: check
check: fmt-check shellcheck circles lint lint-wasm doc deny unit ## Formatting, lints, docs, licences, unit tests

.PHONY: fmt
fmt: ## Format all code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path tests/conformance/Cargo.toml
	cargo fmt --manifest-path tests/plain/Cargo.toml

.PHONY: fmt-check
fmt-check:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path tests/conformance/Cargo.toml --check
	cargo fmt --manifest-path tests/plain/Cargo.toml --check

.PHONY: circles
circles: ## Import circles between source files
	@scripts/import-circles.py src crates/*/src crates/tools/src/bin/*

.PHONY: shellcheck
shellcheck: ## Lints of the shell scripts
	shellcheck --external-sources scripts/*.sh envoy/drain.sh .ci/run

.PHONY: lint
lint: ## Clippy for the native targets, warnings are errors
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace $(NAMED_TESTS) -- -D warnings

.PHONY: lint-wasm
lint-wasm: ## Clippy for the filter as it ships, and the benchmark's plain one
	@scripts/wasm-toolchain.sh
	scripts/wasm-cargo.sh wasm32-wasip1 clippy --package gatelog --package gatelog-record -- -D warnings
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
test: tools test-native test-node test-artifact test-conformance test-e2e test-clients test-packaging ## Every test: native, Node, artifact, end to end

.PHONY: test-native
test-native: ## Unit, integration and documentation tests of the crates
	cargo test --workspace

.PHONY: test-node
test-node: ## The rules of filter and record as wasm, under Node
	@scripts/wasm-toolchain.sh
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
	scripts/wasm-cargo.sh wasm32-unknown-unknown test --lib --package gatelog --package gatelog-record

.PHONY: test-artifact
test-artifact: wasm ## The shipped .wasm on a strict mock host
	cargo test --workspace --test artifact

# The host declares Rust 1.96; it compiles with 1.95.
.PHONY: test-conformance
test-conformance: wasm ## The shipped .wasm on a second proxy-wasm host, on Wasmtime
	CARGO_TARGET_DIR=target/conformance cargo test --manifest-path tests/conformance/Cargo.toml \
		--locked --ignore-rust-version

# Each test runs an Envoy, a collector and services of its own: more at once only slow each other.
E2E_THREADS ?= 2

.PHONY: test-e2e
test-e2e: wasm ## Real Envoy, collector and database; FILTER=name for some of them
	cargo build --workspace --bins
	cargo test --workspace --test e2e --test filter $(FILTER) -- --test-threads=$(E2E_THREADS)

.PHONY: test-envoy
test-envoy: wasm ## Another release of Envoy: loads, ids, records, delivery; ENVOY_VERSION=1.37.0
	@test -n "$(ENVOY_VERSION)" || { echo 'error: which release? make test-envoy ENVOY_VERSION=1.37.0' >&2; exit 1; }
	cargo build --workspace --bins
	GATELOG_ENVOY="$$(scripts/envoy-version.sh $(ENVOY_VERSION))" \
		cargo test --workspace --test e2e supported:: -- --test-threads=$(E2E_THREADS)

.PHONY: test-clients
test-clients: wasm ## The gateway driven by other people's clients; FILTER=name for some of them
	cargo build --workspace --bins
	cargo test --workspace --test clients $(FILTER) -- --test-threads=$(E2E_THREADS)

.PHONY: test-packaging
test-packaging: wasm ## Images, unit, Compose, Kubernetes and alerts against what the programs say
	cargo build --workspace --bins
	cargo test --workspace --test packaging

# --- The proofs ---

.PHONY: fuzz
fuzz: ## Bad input, by coverage-guided fuzzing; FUZZ_SECONDS=10 for each target
	@scripts/fuzz.sh

# BENCH_BEFORE=COMMIT puts the filter of an earlier commit beside this one.
.PHONY: bench
bench: runtime wasm ## What it costs, side by side with the alternatives; PARTS="envoy collector growth peers"
	@scripts/build-plain.sh
	$(if $(BENCH_BEFORE),@scripts/build-before.sh $(BENCH_BEFORE) wasm)
	$(if $(filter peers,$(PARTS)),@scripts/peers.sh)
	cargo build --release --package gatelog-collector
	cargo build --profile load --package gatelog-tools --bin gatelog-bench
	BENCH_PLAIN_WASM=target/plain.wasm $(if $(BENCH_BEFORE),BENCH_BEFORE_WASM=target/before/gatelog.wasm) GATELOG_COLLECTOR=target/release/gatelog-collector \
		target/load/gatelog-bench $(PARTS)

# --- Away with it ---

# CASES="name …" for some; CHAOS_PACE=10 makes every step ten times longer.
.PHONY: chaos
chaos: wasm ## Faults against the running system, each audited from outside; CASES=name
	@scripts/build-wasm.sh --features trap
	cargo build --workspace --bins
	@scripts/chaos.sh $(CASES)

.PHONY: endurance
endurance: export CHAOS_MINUTES ?= 60
endurance: export CHAOS_PACE ?= 10
endurance: CASES := endurance
endurance: chaos ## An hour under load with faults, memory sampled; CHAOS_MINUTES=60

.PHONY: clean
clean: ## Remove what was built; .tools/ stays
	cargo clean
