# What a person runs here. Each target is one command on a fresh Debian or Ubuntu machine with
# Rust: the system packages it needs are installed when they are missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# rustup leaves cargo here, and a shell from before its installation does not know.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# What demo, demo-tauri, up, down, bench-webview and test-reliability pass on: make demo ARGS="--for 10s --drive"
ARGS ?=

# What `make up` adds to the stack: tempo.
WITH ?=

# The features together, so that the steps share what they have built.
FEATURES := testing,wry,cli,metrics-exporter-prometheus,profile

# The whole powerset would be 512 builds. `FEATURES`, with the default, are all of them. Each is built
# alone, as Cargo.toml has them; `cli` has a binary too, which `features` builds with it.
FEATURE_SETS := none \
	$(filter-out default cli,$(shell sed -n '/^\[features\]/,/^\[/s/^\([a-z0-9-]*\) = .*/\1/p' Cargo.toml)) \
	prometheus,otlp prometheus,system otlp,system otlp,testing

# A window needs a display. Without one it gets a virtual one, which would begin anew when its last
# window closes, and refuse the next app meanwhile, but for `-noreset`.
WITH_DISPLAY := $(if $(or $(DISPLAY),$(WAYLAND_DISPLAY)),,xvfb-run -a -s "-screen 0 1280x1024x24 -noreset")

# The demo keeps its history in the user's folder for states, which is not one for tests.
test test-stack check-drawing pictures: export XDG_STATE_HOME := $(CURDIR)/target/state

.PHONY: python python-lint python-wheel python-bench python-window python-window-bench
.PHONY: core typos versions links msrv api semver pack workflows raise
.PHONY: help demo demo-tauri plugin up down compose test test-stack fuzz fuzz-smoke check page dashboards licences semconv bench bench-history bench-webview stack stack-down packages fmt clippy features windows doc examples shellcheck

help: ## say what there is
	@echo "usage: make <target>"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## open the demo's window; ARGS="--for 10s --drive" runs it unattended, ARGS=--help says more
	@scripts/install-packages demo
	@cargo build -p spanwire-demo
	@$(if $(WITH_DISPLAY),echo "no display: the window opens on a virtual one; --drive lets its page use itself")
	@$(if $(WITH_DISPLAY),scripts/with-display) cargo run --quiet -p spanwire-demo -- $(ARGS)

demo-tauri: ## open the Tauri example's window; ARGS="--for 20s --drive" runs it unattended
	@scripts/install-packages demo
	@cd tauri-plugin && cargo build -p paint-tool
	@$(if $(WITH_DISPLAY),echo "no display: the window opens on a virtual one; --drive lets its page use itself")
	@cd tauri-plugin && $(if $(WITH_DISPLAY),../scripts/with-display) cargo run --quiet -p paint-tool -- $(ARGS)

# Not among `test`, which runs the same against the version in use.
.PHONY: tauri-contract
tauri-contract: ## test the Tauri plugin against another minor of Tauri: make tauri-contract VERSION=2.13
	@scripts/install-packages test
	@scripts/tauri-contract $(VERSION)

# Minutes, and it asks npm and the registry for what is newest.
.PHONY: tauri-templates
tauri-templates: ## apps as create-tauri-app makes them, with the one line, in real windows; ARGS="vue-ts" names templates
	@scripts/install-packages test
	@scripts/tauri-templates $(ARGS)

up: ## start Grafana, Prometheus, Alertmanager, the Collector and Jaeger in Docker; WITH=tempo adds Tempo and Loki
	@scripts/compose up $(WITH) -- $(ARGS)

down: ## stop what `make up` started; ARGS=--volumes removes its data too
	@scripts/compose down -- $(ARGS)

# Not among `check`: building Docker Compose takes minutes. It needs no Docker.
compose: ## check the compose files with Docker Compose itself, and the scripts that start the stack
	@scripts/install-packages page
	@scripts/stack build compose
	COMPOSE="$(CURDIR)/target/stack/bin/docker-compose" \
		node --test deploy/compose/test/*.test.mjs scripts/servers/test/*.test.mjs

test: packages ## run all tests, the one with a real window and a real Prometheus among them
	cargo test --workspace --features $(FEATURES)
	cd tauri-plugin && cargo test --locked --workspace
	$(MAKE) python
	$(MAKE) python-window

# What `test` builds after its first tests, which wait much: CI builds it meanwhile.
.PHONY: test-ahead
test-ahead: python-built
	cd tauri-plugin && cargo test --locked --workspace --no-run

check: packages fmt typos shellcheck scripts versions links licences page dashboards clippy plugin python-lint features api windows doc examples semconv pack ## all but tests: formatting, spelling, links, lints, licences, versions, the page script, dashboards and alerts, features, the public API, Windows, docs, examples, what is packed

# npm's packages of a folder: once for each lock file.
%/node_modules/.package-lock.json: %/package-lock.json
	@scripts/install-packages page
	cd $* && npm ci --no-audit --no-fund
	touch $@

# `page/spanwire.js` is committed, so that building the crate needs no Node: it must be what the
# source builds.
page: page/node_modules/.package-lock.json ## check the page script and its package: types, the committed build, its size, tests
	cd page && npm run --silent types
	cd page && npm run --silent build -- --check
	cd page && npm test

# The dashboards and rules are committed, so that using them needs no Node; so are the names that
# they are built from, which `semconv` compares.
dashboards: grafana/node_modules/.package-lock.json ## check the dashboards, rules, alerts and runbooks: types, the committed build, tests
	@scripts/install-packages dashboards
	rm -rf grafana/dist
	cd grafana && npm run --silent types
	cd grafana && npm run --silent build -- --check
	cd grafana && npm run --silent test
	promtool check rules deploy/prometheus/rules/*.yml
	promtool test rules deploy/prometheus/tests/*.yml

# Grafana's components are hundreds of megabytes of npm packages, which nothing else needs.
# With an example the libraries have the features that they have for tests, and are not built again.
.PHONY: drawing
drawing: packages grafana/drawing/node_modules/.package-lock.json
	@scripts/install-packages pictures
	cargo build --workspace --features $(FEATURES) --bin spanwire-demo --example semconv_json
	cd grafana/drawing && npm run --silent types
	cd grafana/drawing && npm run --silent test

.PHONY: pictures
pictures: drawing ## draw the dashboards of the demo under faults into docs/dashboards, with Grafana's own components
	$(WITH_DISPLAY) node grafana/drawing/dist/main.js --demo target/debug/spanwire-demo --out docs/dashboards

# The demo draws for longer on a busy machine: look at the pictures before you commit them.
.PHONY: screenshots
screenshots: packages ## make the pictures of the demo, the Tauri example, a report and a trace anew, on a virtual display
	@scripts/install-packages pictures
	@scripts/install-packages python
	cargo build --workspace --features $(FEATURES) --bin spanwire-demo --bin spanwire --example read_a_trace
	cd tauri-plugin && cargo build -p paint-tool
	node scripts/screenshots/main.mjs --demo target/debug/spanwire-demo --command target/debug/spanwire --tauri target/debug/paint-tool --traces target/debug/examples/read_a_trace

.PHONY: check-drawing
check-drawing: drawing ## the same in a minute without pictures: no panel is empty, no legend cut, every table is sorted
	$(WITH_DISPLAY) node grafana/drawing/dist/main.js --demo target/debug/spanwire-demo

bench: ## run the benchmarks
	cargo bench -p spanwire

bench-history: ## questions to a history of ten million records, and the file of an app that records so many; it fails when one takes a second, or the file outgrows its bound
	cargo bench -p spanwire --features history --bench history

bench-webview: ## the raw wry way beside ours in real windows, and what the page script costs a page; it fails when a target is missed
	@scripts/install-packages demo
	@$(WITH_DISPLAY) cargo bench -p spanwire-demo --bench webview -- $(ARGS)
	@$(WITH_DISPLAY) cargo run --release -p spanwire-demo --example page_cost

.PHONY: bench-tauri
bench-tauri: ## plain Tauri, the plugin and tauri/tracing in real windows; it fails when a target is missed
	@scripts/install-packages demo
	@scripts/install-packages page
	@$(WITH_DISPLAY) scripts/bench-tauri $(ARGS)

fuzz: ## fuzz what reads foreign input, a minute for each target; ARGS="--seconds 600 spool" says how long and which
	@scripts/install-packages fuzz
	@scripts/fuzz $(ARGS)

# Both bounds hold: a quick target ends by its runs, a slow one by its time.
fuzz-smoke: ## the same for a few seconds
	@scripts/install-packages fuzz
	@scripts/fuzz --dev --seconds 4 --runs 50000

# Times of rules are divided, so that nobody waits for days; those that look back for days by more.
STACK_RULES := target/test-stack/prometheus/rules

test-stack: packages compose workflows check-drawing grafana/node_modules/.package-lock.json ## the demo against the real servers: routes, traces, every panel, rule and alert
	@scripts/install-packages stack
	@scripts/stack build
	@scripts/check-stack
	node scripts/licences/check.mjs go
	rm -rf $(STACK_RULES)
	npm --prefix grafana run --silent build -- --shrunk 60 "$(CURDIR)/$(STACK_RULES)"
	npm --prefix grafana run --silent build -- --shrunk 120 "$(CURDIR)/$(STACK_RULES).slow"
	mv $(STACK_RULES).slow/objectives.yml $(STACK_RULES)/ && rm -rf $(STACK_RULES).slow
	$(WITH_DISPLAY) cargo test --workspace --features $(FEATURES) --test stack
	@# The whole workspace has more features of Tauri, and is built already.
	cd tauri-plugin && cargo test --locked --workspace --test jaeger

# Half an hour, and not among what CI runs. `clippy` compiles it.
.PHONY: test-reliability
test-reliability: packages ## a killed Collector, 1,000 kill -9, every collector fault, ten minutes of flood; ARGS="kills --kills 50" runs less
	@scripts/install-packages stack
	@scripts/stack build collector
	cargo test --workspace --features $(FEATURES) --no-fail-fast --test reliability --test long_flood -- $(ARGS)

.PHONY: test-history-kills bench-history-writing
test-history-kills: packages ## kill -9 a process under load 100 times; its history lacks a second at most, and the next start says so
	SPANWIRE_TEST_KILLS=100 cargo test -p spanwire --features $(FEATURES) --test history -- a_killed_process

bench-history-writing: ## what a history costs its callers, its writer and in memory; it fails when a target is missed
	cargo bench -p spanwire --features history --bench history_writing

.PHONY: scenarios
scenarios: packages ## the example notebook with thirty faults, and what the doctor says of each; ARGS="blocked-ui healthy" runs less
	@scripts/install-packages demo
	cargo build --workspace --features $(FEATURES) --bin spanwire --example notebook
	@$(WITH_DISPLAY) node scripts/scenarios.mjs $(ARGS)

stack: ## start Prometheus, Alertmanager, Jaeger and the Collector without Docker
	@scripts/install-packages stack
	@scripts/stack up

stack-down: ## end what `make stack` has started
	@scripts/stack down

packages:
	@scripts/install-packages test

fmt:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path tauri-plugin/Cargo.toml --all --check
	cargo fmt --manifest-path python/Cargo.toml --check

shellcheck:
	shellcheck $$(grep -ls '^#!/usr/bin/env bash' scripts/*) .ci/run

# After `page` and `dashboards` have installed them, npm's packages are asked themselves too.
licences: page dashboards ## check that no crate or npm package has a licence that deny.toml does not allow
	node --test scripts/licences/*.test.mjs
	node scripts/licences/check.mjs crates npm

typos: ## look for misspelt words; ARGS=--write-changes corrects them
	@scripts/typos $(ARGS)

versions: ## check that all that is released has one version, and no dependency a higher rust-version
	@node scripts/check-versions.mjs

links: ## check that links, anchors, pictures and named pages exist, and that the indexes are whole
	@scripts/install-packages page
	@node --test scripts/links/*.test.mjs
	@node scripts/links/check.mjs

.PHONY: scripts
scripts: ## test the scripts that have no other target
	@scripts/install-packages page
	@node --test scripts/*.test.mjs scripts/screenshots/*.test.mjs .ci/*.test.mjs

msrv: ## check everything with the oldest Rust that is supported; rustup installs it if it is missing
	@scripts/install-packages test
	@scripts/with-msrv cargo check --locked --workspace --all-targets --features $(FEATURES)
	@scripts/with-msrv sh -c "cd tauri-plugin && cargo check --locked --workspace --all-targets"

# The JSON that it reads changes with Rust, so it is always that of one toolchain. After `features` it
# has only our own crate to read.
api: ## compare the public API of each feature with api/snapshots; ARGS=--write writes them
	@scripts/with-msrv cargo run --quiet -p spanwire-api -- $(ARGS)

# Not among `check`: the tool takes ten minutes to build.
semver: ## look for breaking changes of the public API since BASE, a commit or a tag; ARGS=--quick in the snapshots alone
	@scripts/semver $(ARGS) $(BASE)

pack: page packages ## pack the crate, the Tauri plugin and the npm package, and use each in a fresh project; ARGS=npm, plugin or crate for one
	@scripts/check-packages $(ARGS)

# No window, no server: what a system without Linux' packages can run.
core: ## run the unit tests of the library and the command alone, on any system
	cargo test -p spanwire --features testing,cli --lib --bins

# Not among `check`: it needs Go.
workflows: ## check the workflow files with actionlint
	@scripts/install-packages stack
	@scripts/stack build actionlint
	@scripts/check-workflows

raise: ## raise all dependencies to the newest that the manifests allow, say what is beyond, then run everything
	@scripts/raise
	$(MAKE) check msrv test fuzz-smoke test-stack

clippy:
	cargo clippy --workspace --all-targets --features $(FEATURES) -- -D warnings
	@# They are no targets of `all`, since they are tested by name alone.
	cargo clippy --workspace --features $(FEATURES) --test stack --test reliability --test long_flood -- -D warnings

# A workspace of its own, so that Tauri's features do not mix with the library's.
plugin: packages ## check the Tauri plugin: lints, with its feature and without, and its docs
	cd tauri-plugin && cargo clippy --locked --workspace --all-targets -- -D warnings
	cd tauri-plugin && cargo clippy --locked -p tauri-plugin-spanwire --no-default-features -- -D warnings
	cd tauri-plugin && RUSTDOCFLAGS="-D warnings" cargo doc --locked -p tauri-plugin-spanwire --no-deps --features async-spans,profile

# A workspace of its own, with a Python that pip fills: nothing of the system's is changed.
PYTHON_VENV := target/python-venv

$(PYTHON_VENV)/ready: python/requirements-test.txt
	@scripts/install-packages python
	python3 -m venv $(PYTHON_VENV)
	$(PYTHON_VENV)/bin/pip install --quiet --requirement python/requirements-test.txt
	touch $@

python: python-built ## build the Python package into target/python-venv and run its tests
	cd python && "$(CURDIR)/$(PYTHON_VENV)/bin/pytest"

.PHONY: python-built
python-built: $(PYTHON_VENV)/ready
	cd python && VIRTUAL_ENV="$(CURDIR)/$(PYTHON_VENV)" "$(CURDIR)/$(PYTHON_VENV)/bin/maturin" develop --quiet --locked

# Not among `check`: it links the library twice more.
python-wheel: $(PYTHON_VENV)/ready ## pack the wheel and the sdist, and use each in a fresh environment; ARGS=wheel or --release
	@scripts/check-wheel $(ARGS)

python-bench: $(PYTHON_VENV)/ready ## what a monitor costs beside OpenTelemetry's and prometheus_client's, in the release profile; ARGS=2 for two rounds
	cd python && VIRTUAL_ENV="$(CURDIR)/$(PYTHON_VENV)" "$(CURDIR)/$(PYTHON_VENV)/bin/maturin" develop --quiet --locked --release
	$(PYTHON_VENV)/bin/python python/bench/costs.py $(ARGS)

# Debian's WebKitGTK bindings come with its own Python alone.
PYTHON_WINDOW_VENV := target/python-window-venv

$(PYTHON_WINDOW_VENV)/ready: python/requirements-window.txt
	@scripts/install-packages python-window
	/usr/bin/python3 -m venv --system-site-packages $(PYTHON_WINDOW_VENV)
	$(PYTHON_WINDOW_VENV)/bin/pip install --quiet --requirement python/requirements-window.txt
	touch $@

python-window: $(PYTHON_WINDOW_VENV)/ready ## test the Python package in real windows of pywebview
	cd python && VIRTUAL_ENV="$(CURDIR)/$(PYTHON_WINDOW_VENV)" "$(CURDIR)/$(PYTHON_WINDOW_VENV)/bin/maturin" develop --quiet --locked
	cd python && $(WITH_DISPLAY) "$(CURDIR)/$(PYTHON_WINDOW_VENV)/bin/pytest" window_tests $(ARGS)

# Not among `python-window`: it takes minutes, and its figures are of the release profile.
python-window-bench: $(PYTHON_WINDOW_VENV)/ready ## what observing costs a call of pywebview's, in real windows; ARGS=10 for ten rounds
	cd python && VIRTUAL_ENV="$(CURDIR)/$(PYTHON_WINDOW_VENV)" "$(CURDIR)/$(PYTHON_WINDOW_VENV)/bin/maturin" develop --quiet --locked --release
	$(WITH_DISPLAY) $(PYTHON_WINDOW_VENV)/bin/python python/window_tests/cost.py $(ARGS)

python-lint: $(PYTHON_VENV)/ready ## check the Python package: lints of its Rust, types of its Python
	cd python && cargo clippy --locked --all-targets -- -D warnings
	cd python && "$(CURDIR)/$(PYTHON_VENV)/bin/mypy" spanwire

# Each feature alone: together they hide a missing one.
features: ## check the library without features, with each alone, and with the pairs that matter
	@for features in $(FEATURE_SETS); do \
		echo "cargo clippy -p spanwire --lib --no-default-features --features $${features/none/}"; \
		cargo clippy --quiet -p spanwire --lib --no-default-features --features "$${features/none/}" -- -D warnings; \
	done
	cargo clippy -p spanwire --lib --bins --no-default-features --features cli -- -D warnings
	@scripts/count-packages

# The code that only Windows has is not built by anything else here.
windows: ## check the core, and the command, for Windows
	@scripts/install-packages windows
	cargo clippy -p spanwire --lib --bins --features testing,cli --target x86_64-pc-windows-gnu -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --features $(FEATURES)

# Of the whole workspace, as `test` builds it: else the libraries are built with other features.
EXAMPLES := $(or $(CARGO_TARGET_DIR),target)/debug/examples

# An example that fails, or that does not end, fails the check.
examples:
	cargo build --workspace --examples --features $(FEATURES)
	@for path in examples/*.rs; do \
		name="$$(basename "$$path" .rs)"; \
		echo "example $$name"; \
		timeout 120 "$(EXAMPLES)/$$name" </dev/null; \
	done

semconv: packages ## compare grafana/semconv.json with src/semconv.rs; ARGS=--write writes it
	@mkdir -p target
	@cargo build --quiet --workspace --features $(FEATURES) --example semconv_json
	@"$(EXAMPLES)/semconv_json" >target/semconv.json
	@$(if $(filter --write,$(ARGS)),cp target/semconv.json grafana/semconv.json)
	@diff grafana/semconv.json target/semconv.json || { echo "grafana/semconv.json is not what src/semconv.rs says: write it" \
		"with \`make semconv ARGS=--write\`, then npm --prefix grafana run build" >&2; exit 1; }
