# Everything here needs Go and make, and nothing else.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.7.0
FUZZTIME ?= 30s
# Every module in the tree, the root first.
MODULES = $(sort $(dir $(wildcard go.mod */go.mod */*/go.mod)))

.PHONY: help demo run test lint fuzz bench

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: ## fire good and hostile requests at the quickstart and show the answers
	go run ./examples/quickstart -tour

run: ## leave the quickstart serving, with curl lines to paste
	go run ./examples/quickstart

test: ## run all tests of all modules, with the race detector
	@set -e; for module in $(MODULES); do echo "== test $$module"; (cd $$module && go test -race -shuffle=on ./...); done

lint: ## gofmt, vet for three systems, staticcheck
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	@set -e; for module in $(MODULES); do for system in linux windows darwin; do echo "== vet $$module $$system"; (cd $$module && GOOS=$$system go vet ./...); done; done
	@set -e; for module in $(MODULES); do echo "== staticcheck $$module"; (cd $$module && go run $(STATICCHECK) ./...); done

fuzz: ## fuzz everything that can be fuzzed, each for FUZZTIME
	@set -e; grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | sed 's/func //'); do \
			echo "== $$dir $$target"; (cd $$dir && go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) .); done; done

bench: ## run the benchmarks of the library itself
	go test -run='^$$' -bench=. -benchmem ./...
