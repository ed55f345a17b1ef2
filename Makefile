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
SOURCES    = $(shell find cmd connector exporter extension internal processor receiver -name '*.go' -not -name '*_test.go') \
             $(shell find extension internal -name '*.sql' -o -name '*.html') go.mod go.sum builder-config.yaml
# What test-storage, test-outage and test-faults run on, by its name in the tables they print.
BACKENDS  ?= sqlite,postgres,mysql,clickhouse,mongodb,cassandra
comma      = ,
SERVICES   = $(subst mysql,mariadb,$(filter-out sqlite,$(subst $(comma), ,$(BACKENDS))))
WITH       = scripts/services/all.sh run $(SERVICES) kafka --
DATABASES  = $(if $(SERVICES),scripts/services/all.sh run $(SERVICES) --)
DRIVERS    = -e /internal/storage/sqldb -e /internal/storage/clickhouse -e /internal/storage/mongodb -e /internal/storage/scylla
PEER       = .cache/bench-peer/peer
COMPONENTS = $(dir $(wildcard receiver/*/metadata.yaml processor/*/metadata.yaml connector/*/metadata.yaml exporter/*/metadata.yaml extension/*/metadata.yaml))

export CGO_ENABLED = 0
.DEFAULT_GOAL = help
.PHONY: help run build dist test test-unit test-storage e2e test-outage test-faults services-up services-down bench bench-sqlite bench-drivers bench-clickhouse bench-sizing bench-long \
        lint fmt generate check-generate fuzz clean

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

test: build $(AUDITLOAD) $(VENV)/.ready ## Run every test on servers it starts and stops (needs gcc, python3, java; see scripts/services)
	@$(WITH) $(MAKE) --no-print-directory test-unit test-storage e2e test-outage

test-unit: ## Run the unit tests with the race detector, one of them on a real geo database where npm can be reached
	@scripts/services/geoip.sh install || true
	eval "$$(scripts/services/geoip.sh env)"; CGO_ENABLED=1 $(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v $(DRIVERS) -e /test/e2e -e /test/faults)
	cd examples/go && CGO_ENABLED=1 $(GO) test -race -timeout 5m ./...

test-storage: build $(AUDITLOAD) ## Run every driver's tests and the conformance suite on real servers, directly and through the binary; prints what ran where
	@$(DATABASES) env CGO_ENABLED=1 $(GO) run ./test/conformance -backends $(BACKENDS) -binary -- -race -timeout 15m

e2e: build $(AUDITLOAD) $(VENV)/.ready ## Run the tests of the built binary, those of test-storage excepted
	@$(WITH) env E2E_PYTHON=$(VENV)/bin/python $(GO) test -count=1 -timeout 25m -skip '^TestBackends$$' ./test/e2e/...

test-outage: build $(AUDITLOAD) ## Kill each database once under load, for 10 seconds
	@$(WITH) env FAULTS_BACKENDS=$(BACKENDS) $(GO) test -count=1 -short -v -timeout 15m ./test/faults/

test-faults: build $(AUDITLOAD) ## Run the whole fault matrix (about an hour); writes docs/faults.md
	@$(WITH) env FAULTS_BACKENDS=$(BACKENDS) FAULTS_REPORT=$(CURDIR)/docs/faults.md $(GO) test -count=1 -v -timeout 3h ./test/faults/

services-up: ## Start every test server and leave it running
	@scripts/services/all.sh up $(SERVICES) kafka
	@echo 'eval "$$(scripts/services/all.sh env)"   sets the variables that the tests read'

services-down: ## Stop the test servers
	@scripts/services/all.sh down

$(VENV)/.ready: test/e2e/testdata/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: bench-sqlite bench-drivers bench-clickhouse bench-sizing ## Run the benchmarks side by side with their peers; writes docs/benchmarks/

bench-sqlite: build $(AUDITLOAD) ## The built collector beside a bare loop, and reads with a million events stored
	scripts/bench.sh

bench-drivers: ## Each driver beside the bare loop of its database
	@scripts/services/all.sh run postgres mariadb mongodb cassandra -- $(GO) run ./test/bench/drivers

bench-clickhouse: build $(AUDITLOAD) $(PEER) ## The built collector beside one with contrib's ClickHouse exporter
	@scripts/services/all.sh run clickhouse -- $(GO) run ./test/bench/clickhouse -peer $(PEER)

$(PEER): test/bench/clickhouse/peer.yaml $(SOURCES)
	@mkdir -p $(dir $(PEER))
	@scripts/progress.sh "building the peer (the first build takes minutes)" \
		$(TOOL) builder --skip-strict-versioning --config $<
	@touch $@

bench-sizing: build $(AUDITLOAD) ## What 1,000 events/s take on each database, and the spooled profile with its fsyncs (needs strace)
	@ACTIVITYLOG_SERVICES_INSTANCE=sizing scripts/services/all.sh run postgres mariadb clickhouse mongodb cassandra -- $(GO) run ./test/bench/sizing

bench-long: build $(AUDITLOAD) ## SQLite through the collector with 5 million events; SQLite, PostgreSQL and ClickHouse up to 10 million (an hour)
	BENCH_ROWS=5000000 scripts/bench.sh
	@scripts/services/all.sh run postgres clickhouse -- $(GO) run ./test/bench/long

lint: ## Run the linters
	$(TOOL) golangci-lint run ./...
	cd examples/go && $(TOOL) golangci-lint run ./...

fmt: ## Format the code
	$(TOOL) golangci-lint fmt ./...

generate: ## Regenerate component metadata, lifecycle tests and metric documents
	@for d in $(COMPONENTS); do echo "mdatagen $$d" && (cd $$d && $(TOOL) mdatagen metadata.yaml) || exit 1; done

check-generate: generate ## Fail when generated files are not up to date
	@git diff --exit-code -- $(COMPONENTS) || { echo "generated files differ: run make generate and commit"; exit 1; }

fuzz: ## Run every fuzz target for 20 seconds
	@scripts/fuzz.sh 20s

clean: ## Remove what was built (never ./data), and the test servers
	@[ ! -d .cache/backends ] || scripts/services/all.sh down
	rm -rf $(BUILD) dist .cache
