# The few commands everyone types. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

BIN := target/debug
# Runs a command with private PostgreSQL and Redis servers whose addresses it finds in its environment.
WITH_SERVERS = $(BIN)/celeriac with-servers --

.PHONY: help
help: ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

.PHONY: demo
demo: ## The main job on real documents, with everything it needs (KEEP=1 leaves it running)
	scripts/bootstrap demo
	cargo build --quiet --bins
	$(BIN)/celeriac demo $(if $(KEEP),--keep)

.PHONY: test
test: ## The whole suite, on private servers it starts itself (TEST=name for some)
	scripts/bootstrap test
	cargo build --workspace --bins
	$(WITH_SERVERS) cargo nextest run --workspace --no-fail-fast $(TEST)
	$(if $(TEST),,$(MAKE) test-cluster)

.PHONY: test-cluster
test-cluster: ## The engine's tests once more, on a private Redis Cluster of three nodes
	$(BIN)/celeriac with-servers --cluster -- cargo nextest run --workspace --no-fail-fast -E 'binary_id(celeriac-queue::moves)'

.PHONY: check
check: ## What CI runs: format, lints, docs, dependencies, tests
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	$(MAKE) test
	$(MAKE) deps

.PHONY: deps
deps: ## Licences, duplicate and unused dependencies
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
	@command -v cargo-machete >/dev/null || cargo install --locked --quiet cargo-machete
	cargo deny check bans licenses sources
	cargo machete

.PHONY: bench
bench: ## Measure beside the machine's limit, release build (ONLY=throughput, latency, depth, idle, recovery, reading or documents)
	scripts/bootstrap demo
	cargo build --release --quiet -p celeriac-worker -p celeriac-scheduler -p celeriac-ops -p celeriac-tests --bins --examples
	target/release/celeriac with-servers -- target/release/examples/bench $(ONLY)

.PHONY: chaos
chaos: ## Kill workers and Redis under 200,000 jobs, then workers over documents, and count what became of each (minutes; SEED=n repeats; ONLY=queue or documents)
	scripts/bootstrap demo
	cargo build --quiet -p celeriac-tests --example chaos
	$(if $(filter documents,$(ONLY)),,$(BIN)/examples/chaos $(SEED))
	$(if $(filter queue,$(ONLY)),,cargo build --quiet -p celeriac-ops -p celeriac-worker -p celeriac-scheduler --bins)
	$(if $(filter queue,$(ONLY)),,$(WITH_SERVERS) $(BIN)/examples/chaos documents $(SEED))

.PHONY: admission
admission: ## 1,000 documents, four workers, a model limited to 300 requests a minute (four minutes; SEED=n repeats its faults)
	scripts/bootstrap demo
	cargo build --quiet --workspace --bins
	cargo build --quiet -p celeriac-tests --example admission
	$(WITH_SERVERS) $(BIN)/examples/admission $(SEED)

# What a PDF may take of memory and time is bounded by its process, which there is none of here: only crashes count.
.PHONY: fuzz
fuzz: ## Feed every parser of outside bytes with anything, SECONDS=60 each (needs rustup's nightly)
	@command -v cargo-fuzz >/dev/null || cargo install --locked --quiet cargo-fuzz
	for target in $$(cd fuzz/fuzz_targets && ls | sed 's/\.rs$$//'); do \
	  mkdir -p fuzz/corpus/$$target; \
	  more=; \
	  if [ $$target = pdf ]; then more="-fork=1 -ignore_ooms=1 -ignore_timeouts=1"; fi; \
	  cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(or $(SECONDS),60) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 $$more; \
	done

.PHONY: prepare
prepare: ## Refresh .sqlx after a query or a migration changed
	# The program of an earlier build serves: one with the new queries cannot be built before they are known.
	[ -x $(BIN)/celeriac ] || cargo build --quiet --bin celeriac
	$(WITH_SERVERS) scripts/prepare-queries

.PHONY: bootstrap
bootstrap: ## Install Redis, PostgreSQL and the test runner if they are missing
	scripts/bootstrap test
