# Watchfire: the commands people use. `make demo` and `make test` need nothing installed by hand on Debian with Rust and Node.
.PHONY: demo test check conformance bench screenshots ui fmt unit browser clients doubles help

CARGO ?= cargo
DEMO_ARGS ?=
CORPUS ?= ../shared/corpus

help:
	@echo "make demo         build what is missing, replay a scenario, open the server on loopback (DEMO_ARGS='--yes --exit')"
	@echo "make test         unit, integration, client and browser tests; installs what they need"
	@echo "make check        format, clippy, layers, licences"
	@echo "make conformance  every suite against $(CORPUS)"
	@echo "make bench        the benchmarks of docs/performance.md"
	@echo "make screenshots  the pictures of the README"

ui/dist/index.html: $(shell find ui/src content/templates ui/index.html ui/package.json ui/vite.config.ts -type f 2>/dev/null)
	scripts/need node
	cd ui && npm ci --no-fund --no-audit --silent && npm run build --silent

ui: ui/dist/index.html

demo: ui
	scripts/need cargo
	$(CARGO) build --quiet -p watchfire
	@$$($(CARGO) metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/watchfire demo $(DEMO_ARGS)

unit: ui
	scripts/need cargo sshd
	$(CARGO) test --workspace --quiet
	$(CARGO) run --quiet -p watchfire -- workflow test content/workflows
	$(CARGO) xtask fuzz --seconds 5
	cd ui && npm run lint --silent && npm test --silent

clients: ui
	scripts/need cargo python node
	$(CARGO) build --quiet -p watchfire
	scripts/with-server tests/clients/run

doubles:
	scripts/need python
	tests/doubles/winrm/run

browser: ui
	scripts/need cargo node chromium
	$(CARGO) build --quiet -p watchfire
	scripts/with-demo scripts/browser-tests

test: unit clients doubles browser

fmt:
	$(CARGO) fmt --all

check:
	scripts/need cargo deny
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	$(CARGO) xtask tidy
	$(CARGO) xtask codegen --check
	$(CARGO) deny --log-level error check licenses bans sources

conformance:
	scripts/need cargo
	$(CARGO) build --quiet -p xtask
	$(CARGO) xtask conformance all $(CORPUS)

bench: ui
	scripts/need cargo
	$(CARGO) xtask bench all

screenshots: ui
	scripts/need cargo node chromium
	$(CARGO) build --quiet -p watchfire
	scripts/with-demo scripts/screenshots
