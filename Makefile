# Thin on purpose: the work is in the programs and in scripts/.
#
#   make dev     the whole loop on this machine: a forge, a cluster and a sample repository, no account needed;
#                make dev ARGS='--kubeconfig FILE' takes a cluster that is there
#   make test    every check and every test
#   make fuzz    seeded inputs for what faces strangers, for two minutes in all; SECONDS=60 gives each target so long
#   make bench   the benchmarks; they print ratios against the same work done bare
#   make tools   what the others need: the Go programs, built once into a cache

.PHONY: dev test fuzz bench tools
MAKEFLAGS += --no-print-directory

dev:
	@scripts/dev $(ARGS)

test: tools tests/node/node_modules/.package-lock.json
	@scripts/browser >/dev/null
	@scripts/check

fuzz:
	@scripts/fuzz $(SECONDS)

bench: tools
	@DRIFTLESS_APISERVER="$$(scripts/tool apiserver)" DRIFTLESS_KWOK="$$(scripts/tool kwok)" \
	 DRIFTLESS_RENDERER="$$(scripts/tool renderer)" cargo bench --locked

tools:
	@scripts/need
	@scripts/tool renderer >/dev/null
	@scripts/tool apiserver >/dev/null
	@scripts/tool kwok >/dev/null

tests/node/node_modules/.package-lock.json: tests/node/package-lock.json
	@echo 'npm: fetching the recorded payloads, the API descriptions and the browser that the tests use' >&2
	@cd tests/node && npm ci --no-progress --loglevel=error && touch node_modules/.package-lock.json
