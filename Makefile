# otelcol-activitylog. `make help` explains every target.
GO        ?= go
TOOL       = $(GO) tool -modfile=$(CURDIR)/tools/go.mod
BUILD      = build
COLLECTOR  = $(BUILD)/otelcol-activitylog
AUDITCTL   = $(BUILD)/auditctl
AUDITLOAD  = $(BUILD)/auditload
VERSION   ?= $(shell sed -n 's/^  version: //p' builder-config.yaml)
LDFLAGS    = -s -w -X main.version=$(VERSION)
VENV       = $(CURDIR)/.cache/venv
SOURCES    = $(shell find cmd exporter extension internal processor receiver -name '*.go' -not -name '*_test.go') \
             $(shell find extension internal -name '*.sql' -o -name '*.html') go.mod go.sum builder-config.yaml
COMPONENTS = $(dir $(wildcard receiver/*/metadata.yaml processor/*/metadata.yaml exporter/*/metadata.yaml extension/*/metadata.yaml))

export CGO_ENABLED = 0
.DEFAULT_GOAL = help
.PHONY: help run build dist test test-unit test-storage e2e bench bench-long lint fmt generate check-generate fuzz clean

help: ## Show what each target does
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Build and start the collector with otelcol-config.yaml; data goes to ./data
	@scripts/run.sh $(COLLECTOR)

build: $(COLLECTOR) $(AUDITCTL) ## Build build/otelcol-activitylog (with ocb) and build/auditctl

$(COLLECTOR): $(SOURCES)
	@scripts/progress.sh "building the collector (the first build takes minutes)" \
		$(TOOL) builder --skip-strict-versioning --config builder-config.yaml
	@touch $@

$(AUDITCTL): $(SOURCES)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/auditctl

$(AUDITLOAD): $(SOURCES)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/auditload

dist: $(COLLECTOR) ## Cross-build linux amd64 and arm64 into dist/, with checksums
	@scripts/dist.sh $(VERSION)

test: test-unit test-storage e2e ## Run every test (needs gcc for the race detector, and python3 with venv)

test-unit: ## Run the unit tests with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v -e /internal/storage/sqldb -e /test/)

test-storage: ## Run the conformance suite over every driver
	CGO_ENABLED=1 $(GO) test -race -timeout 15m ./internal/storage/sqldb/...

e2e: build $(AUDITLOAD) $(VENV)/.ready ## Run the tests of the built binary
	E2E_PYTHON=$(VENV)/bin/python $(GO) test -count=1 -timeout 25m ./test/...

$(VENV)/.ready: test/e2e/testdata/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: build $(AUDITLOAD) ## Run the benchmarks side by side with their peers; writes docs/benchmarks/
	scripts/bench.sh

bench-long: build $(AUDITLOAD) ## The same with 5 million rows stored first
	BENCH_ROWS=5000000 scripts/bench.sh

lint: ## Run the linters
	$(TOOL) golangci-lint run ./...

fmt: ## Format the code
	$(TOOL) golangci-lint fmt ./...

generate: ## Regenerate component metadata, lifecycle tests and metric documents
	@for d in $(COMPONENTS); do echo "mdatagen $$d" && (cd $$d && $(TOOL) mdatagen metadata.yaml) || exit 1; done

check-generate: generate ## Fail when generated files are not up to date
	@git diff --exit-code -- $(COMPONENTS) || { echo "generated files differ: run make generate and commit"; exit 1; }

fuzz: ## Run every fuzz target for 20 seconds
	@scripts/fuzz.sh 20s

clean: ## Remove what was built (never ./data)
	rm -rf $(BUILD) dist .cache
