# `make testnet` sets everything up and runs a local multi-chain network; `make test` sets everything up and passes the
# tests. Everything else is for those who work on the project.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hpaxos
TOOLS := $(CACHE)/tools
export PATH := $(TOOLS)/bin:$(HOME)/.cargo/bin:$(PATH)
export CARGO_TERM_COLOR ?= auto

TARGET := $(or $(CARGO_TARGET_DIR),target)

# A compiler cache where there is one; it serves RocksDB's C++ too.
ifneq (,$(shell command -v sccache 2>/dev/null))
export RUSTC_WRAPPER ?= sccache
endif

CARGO_DENY := 0.20.2
TYPOS := 1.52.0
CARGO_FUZZ := 0.13.1
MDBOOK := 0.5.4
# Of 2026-05-19. libFuzzer's flags are not in stable compilers.
NIGHTLY := nightly-2026-05-20

.PHONY: help setup setup-clocks test testnet install programs archive ci format clippy docs deny typos audit tlc check-long long soak bench bench-report bench-check bench-peers fuzz book tools

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1|/' | column -t -s '|'

setup: ## Check for what the build needs, and install it where that is allowed.
	@scripts/setup.sh

# The nemesis's: jumping clocks.
setup-clocks: setup
	@scripts/setup.sh --clocks

# The profile of the tests, so that RocksDB is built once.
ARGS ?= --load 20/s --for 60s
testnet: setup ## Run a local multi-chain network; ARGS="--load 50/s" keeps it running, see `hpaxos-testnet up --help`.
	cargo build --workspace --bins --locked
	$(TARGET)/debug/hpaxos-testnet up $(ARGS)
	@echo
	@echo "To keep one running:   make testnet ARGS=\"--load 50/s\"     until Ctrl-C"
	@echo "To do things to it:    export PATH=$(abspath $(TARGET))/debug:\$$PATH     in another terminal, and then"
	@echo "                       hpaxos-testnet status, kill v1, restart v1, partition, byzantine: see --help"
	@echo "To send a bundle:      the first session of README.md"

test: setup-clocks ## Run all tests.
	cargo test --workspace --locked
	cargo test --locked -p hpaxos-spec --features mutants --test mutants --test dag_twin --test model_trace -- broken_rules known_seeds known_worlds a_violation

# One build for all programs: with an own one for each, RocksDB might be built for each.
PROFILE ?= release
PROGRAMS := $(TARGET)/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
programs: setup
	cargo build --workspace --bins --locked --profile $(PROFILE)

PREFIX ?= $(or $(CARGO_HOME),$(HOME)/.cargo)
install: programs ## Install the programs into PREFIX/bin, by default ~/.cargo/bin.
	mkdir -p $(PREFIX)/bin
	install -m 755 $(addprefix $(PROGRAMS)/,hpaxos hpaxos-testnet hpaxos-spec) $(PREFIX)/bin

archive: programs ## Pack the programs of a release into dist/.
	scripts/archive.sh $(PROGRAMS)

ci: test format clippy docs deny typos ## Everything that has to pass.

format:
	cargo fmt --all --check

clippy:
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	cargo clippy -p hpaxos-ledger --no-default-features --locked -- --deny warnings
	cargo clippy -p hpaxos-spec --features mutants --all-targets --locked -- --deny warnings

docs:
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

deny: $(TOOLS)/bin/cargo-deny
	cargo deny --locked check bans licenses sources

typos: $(TOOLS)/bin/typos
	typos

audit: $(TOOLS)/bin/cargo-deny ## Look up known vulnerabilities of the dependencies (needs a network).
	cargo deny --locked check advisories

# CONFIGURATIONS="d4 pair", or --long.
CONFIGURATIONS ?=
tlc: ## Explore spec/tla with TLC, and compare what it counts with what the model does; CONFIGURATIONS=--long for the larger ones.
	CACHE=$(CACHE) scripts/tlc.sh $(CONFIGURATIONS)

check-long: setup ## Explore larger models to the end, for hours; goes on where it was broken off.
	cargo build --release --locked -p hpaxos-spec
	CACHE=$(CACHE) scripts/check-long.sh $(TARGET)/release/hpaxos-spec

long: setup ## The long searches: a million random graphs and DAGs, 100,000 storms, mutants afresh, all crash points.
	HPAXOS_TWIN_GRAPHS=1000000 cargo test --release --locked -p hpaxos-spec --test learner_graph_twin -- --nocapture
	HPAXOS_TWIN_DAGS=1000000 cargo test --release --locked -p hpaxos-spec --test dag_twin -- --nocapture
	HPAXOS_SIMULATOR_SEEDS=100000 cargo test --release --locked -p hpaxos-spec --test simulator -- --nocapture
	cargo test --release --locked -p hpaxos-spec --test quotient -- --ignored --nocapture
	cargo test --release --locked -p hpaxos-spec --features mutants --test mutants -- --ignored --nocapture
	HPAXOS_DEAD_SLOTS=100000 cargo test --release --locked -p hpaxos-consensus --test dead_learner -- --nocapture
	HPAXOS_CRASH_POINTS=all HPAXOS_LONG_LOG=100000 cargo test --locked -p hpaxos-node --lib -- --nocapture driver::
	HPAXOS_FUZZ_RUNS=200000 cargo test --locked -p hpaxos-node --test fuzz_corpus -- --nocapture
	HPAXOS_FUZZ_RUNS=20000 cargo test --locked -p hpaxos-spec --test fuzz_corpus -- --nocapture

# Eight validators keep two cores busy, so in release.
SOAK ?= 30m
SEED ?= 1
soak: setup-clocks programs ## Run a network under load and a fault every 5 s for SOAK (default 30m), drawn from SEED; then judge it.
	$(PROGRAMS)/hpaxos-testnet up --folder $(TARGET)/soak --topology testnet/examples/pruned.toml --fresh --no-story --load 50/s --nemesis $(SEED) --for $(SOAK)

bench: bench-report ## Measure: the report, and then the other figures of docs/figures.md.
	scripts/bench-graph.sh
	cargo bench --locked -p hpaxos-learner-graph
	cargo bench --locked -p hpaxos-consensus
	scripts/bench-node.sh $(TARGET)/release

# Measured with what releases are made of.
BENCH ?=
BENCH_PROGRAM := $(TARGET)/release/hpaxos-bench
bench-report: setup ## Measure: one report, in target/bench; BENCH=--quick or BENCH="--section node", see `hpaxos-bench run --help`.
	cargo build --workspace --bins --locked --release
	$(BENCH_PROGRAM) run --out $(TARGET)/bench --date $$(date -u +%F) $(BENCH)

# Not part of `ci`: it needs a machine that does nothing else.
bench-check: ## Compare the last report in target/bench with docs/bench; fails where a ratio is worse beyond the noise.
	$(BENCH_PROGRAM) check --report $(TARGET)/bench/report.json

# PEERS="--pairs 1 --peers malachite"; see bench/peers/README.md.
PEERS ?=
bench-peers: setup ## Measure beside other published consensus engines, on this machine; PEERS="--pairs 5" has the options of bench/peers/run.
	bench/peers/run $(PEERS)

FUZZ_SECONDS ?= 60
FUZZ_TARGETS := $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))
# Without a sanitizer: the project has no unsafe code, and runs twice as many inputs so.
fuzz: setup $(TOOLS)/bin/cargo-fuzz ## Fuzz FUZZ_TARGETS (default all decoders) for FUZZ_SECONDS each (default 60), with a nightly compiler of its own.
	rustup toolchain install $(NIGHTLY) --profile minimal --no-self-update
	cd fuzz && for target in $(FUZZ_TARGETS); do \
	    mkdir -p $(CACHE)/fuzz/$$target; \
	    cargo +$(NIGHTLY) fuzz run --sanitizer none $$target $(CACHE)/fuzz/$$target corpus/$$target -- \
	        -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048; \
	done

# mdBook builds a book of what is left where a file is missing, and says nothing of a missing anchor: the test does.
book: $(TOOLS)/bin/mdbook ## Build the specification, spec/book, into target/book.
	cargo test --locked -p hpaxos-spec --test book
	mdbook build spec/book --dest-dir $(abspath $(TARGET))/book 2>&1 | tee $(TARGET)/book.log
	! grep -E '^ *(WARN|ERROR)' $(TARGET)/book.log

tools: $(TOOLS)/bin/cargo-deny $(TOOLS)/bin/typos

# Unoptimised: they run for a second and would take minutes more to build.
$(TOOLS)/bin/cargo-deny:
	cargo install --debug --locked --root $(TOOLS) --target-dir $(CACHE)/tools-target cargo-deny --version $(CARGO_DENY)

$(TOOLS)/bin/typos:
	cargo install --debug --locked --root $(TOOLS) --target-dir $(CACHE)/tools-target typos-cli --version $(TYPOS)

$(TOOLS)/bin/cargo-fuzz:
	cargo install --debug --locked --root $(TOOLS) --target-dir $(CACHE)/tools-target cargo-fuzz --version $(CARGO_FUZZ)

$(TOOLS)/bin/mdbook:
	cargo install --debug --locked --root $(TOOLS) --target-dir $(CACHE)/tools-target mdbook --version $(MDBOOK)
