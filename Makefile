# Every target does one thing, through tools/ or cargo. The wasm module, Envoy, PostgreSQL and the tests' Python are files: made once,
# when missing or outdated.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo smoke stack test lint fuzz soak bench wasm clean

MODULE := envoy/latchkey.wasm
TRAPPING := $(or $(CARGO_TARGET_DIR),target)/latchkey-trap.wasm
ENVOY_BINARY := .tools/envoy
POSTGRES_FOLDER := .tools/postgres
PYTHON_PACKAGES := .tools/python/requirements.txt
STRACE := .tools/strace
FAKE_CLOCK := .tools/libfaketime.so.1
STACK := $(MODULE) $(ENVOY_BINARY) $(if $(filter postgres,$(STORE)),$(POSTGRES_FOLDER))
MODULE_SOURCES := $(shell find filter token -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock rust-toolchain.toml tools/wasm

help:
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/'

demo: $(STACK) ## companion, Envoy and an example app; the walk on screen; then up until Ctrl-C
	@tools/stack demo

smoke: $(STACK) ## the same walk, exits 0 or 1
	@tools/stack smoke

stack: $(STACK) ## the same stack without the walk: prints `ready` and its addresses, runs until SIGTERM
	@tools/stack stack

test: $(MODULE) $(TRAPPING) $(ENVOY_BINARY) $(POSTGRES_FOLDER) $(PYTHON_PACKAGES) ## everything: unit, property, wasmtime, stores, end-to-end on real Envoy
	@tools/test

lint: ## format, clippy natively and on wasm, docs, dependencies
	@tools/lint

fuzz: ## every fuzz target for 60 s (FUZZ_SECONDS), and a table; fails on a crash
	@tools/fuzz

soak: $(MODULE) $(TRAPPING) $(ENVOY_BINARY) $(POSTGRES_FOLDER) $(STRACE) $(FAKE_CLOCK) ## kills, races, lost replies, a hostile network, a million revocations, on real parts, for an hour; a table
	@tools/soak

bench: $(MODULE) $(ENVOY_BINARY) ## what the filter costs, who the companion's answers tell apart, what a flood of logins does: tables, in minutes, after a release build
	@tools/bench

wasm: $(MODULE) ## the optimised filter module, envoy/latchkey.wasm, and its sha256
	@cat $(MODULE).sha256

clean: ## removes what was built and fetched
	rm -rf target .tools $(MODULE) $(MODULE).sha256

$(MODULE): $(MODULE_SOURCES)
	@tools/wasm

# For tests of what happens after a trap; never shipped. After the other: cargo builds both in one folder.
$(TRAPPING): $(MODULE_SOURCES) | $(MODULE)
	@tools/wasm --trap

$(ENVOY_BINARY): tools/envoy
	@tools/envoy

# Its age says nothing: it is a folder of the system, or of a package.
$(POSTGRES_FOLDER):
	@tools/postgres

$(STRACE) $(FAKE_CLOCK): tools/debian
	@tools/debian $(@F)

$(PYTHON_PACKAGES): tools/python tools/requirements.txt
	@tools/python
