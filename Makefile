# This file is thin on purpose: the work is done by the programs and by scripts/.
#
#   make dev     try Driftless on this machine, with a forge, a cluster and a sample repository. No account needed.
#                make dev ARGS='--kubeconfig FILE' uses an existing cluster
#   make test    run every check and every test
#   make mutants MODULE=src/plan
#                change that code in one place at a time and list the changes that no test notices; see scripts/mutants
#                for MINUTES=30, DIFF=main and TESTS=…
#   make fuzz    fuzz everything that accepts input from outside, for one minute; SECONDS=60 sets the time per target
#   make bench   run the benchmarks; they compare with the same work done without Driftless
#   make tools   build the Go programs that the other targets need, once, into a cache

.PHONY: dev test fuzz mutants bench tools outlook
MAKEFLAGS += --no-print-directory

dev:
	@scripts/dev $(ARGS)

test: outlook tools tests/node/node_modules/.package-lock.json
	@scripts/browser >/dev/null
	@scripts/check

fuzz:
	@scripts/fuzz $(SECONDS)

mutants:
	@MINUTES='$(MINUTES)' DIFF='$(DIFF)' TESTS='$(TESTS)' scripts/mutants '$(MODULE)' $(ARGS)

bench: tools
	@DRIFTLESS_APISERVER="$$(scripts/tool apiserver)" DRIFTLESS_KWOK="$$(scripts/tool kwok)" \
	 DRIFTLESS_RENDERER="$$(scripts/tool renderer)" cargo bench --locked

outlook:
	@scripts/need && scripts/outlook

tools:
	@scripts/need
	@scripts/tool renderer >/dev/null
	@scripts/tool apiserver >/dev/null
	@scripts/tool kwok >/dev/null

tests/node/node_modules/.package-lock.json: tests/node/package-lock.json
	@echo 'npm: fetching the recorded payloads, the API descriptions and the browser that the tests use' >&2
	@cd tests/node && npm ci --no-progress --loglevel=error && touch node_modules/.package-lock.json
