# The one entrance: `make help`. CI calls `make test` and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/garboard
export CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TERM_COLOR ?= auto
IMAGE := target/image/garboard.qcow2
# The image's own etcd2, which runs on this host too: as the discovery service of the machines' cloud-configs.
export GARBOARD_ETCD2 ?= $(CACHE)/cargo/dynamic/x86_64-unknown-linux-gnu/release/etcd2
PURE := -p init-api -p unit-file -p dbus -p unit-engine -p etcd-api -p etcd-store -p flannel-core -p cloud-config-document
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
# nextest where it is installed, plain cargo test elsewhere (then machines still run one at a time).
ifdef NEXTEST
run_tests = cargo nextest run --locked --profile ci --no-tests=pass $(1)
run_long = cargo nextest run --locked --profile ci --run-ignored only $(1)
else
run_tests = cargo test --locked --lib --bins --tests $(1) -- --test-threads=2
run_long = cargo test --locked $(1) -- --ignored --test-threads=1
endif
UNDER_TEST ?= ours
# Of `make fuzz`: seconds, and the sanitizer (address sees more, at a tenth of the speed).
TIME ?= 300
SANITIZER ?= none
SEEDS_unit_file := image/units
SEEDS_cloud_config := tests/testdata cloud-config/apply/tests/cases

# `make full` also runs against the programs of Debian's other release: QEMU and systemd, unpacked and not installed.
OTHER := $(shell . /etc/os-release; [ "$$VERSION_CODENAME" = trixie ] && echo bookworm || echo trixie)
UNPACK := cargo run --locked --quiet -p image-builder -- unpack --suite $(OTHER)
OTHER_GUEST := systemd dbus bash dash coreutils sed grep gzip mawk findutils procps util-linux mount login passwd \
    iproute2 hostname netcat-openbsd ncurses-bin libc-bin diffutils kmod base-files

# Of `make cluster`: how many nodes.
N ?= 3

.PHONY: help run cluster test verify fix image full other compliance init-compliance bench fuzz deps-run deps-test unit vm

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

run: deps-run image ## boot one node from the tutorial's user-data and open a shell on it as core
	cargo build --locked --quiet -p etcd2
	GARBOARD_ETCD2=$(CARGO_TARGET_DIR)/debug/etcd2 cargo run --locked --quiet -p qemu-harness --bin qemu-cluster -- run --image $(IMAGE) --user-data tests/testdata/tutorial.yaml

cluster: deps-run image ## boot a cluster of N=3 nodes that stays up, from the tutorial's user-data
	cargo build --locked --quiet -p etcd2 -p qemu-harness
	GARBOARD_ETCD2=$(CARGO_TARGET_DIR)/debug/etcd2 $(CARGO_TARGET_DIR)/debug/qemu-cluster up --nodes $(N) --image $(IMAGE) \
	    --user-data tests/testdata/tutorial.yaml

test: deps-test verify unit compliance image vm ## everything CI checks

verify: ## formatting, lints, pure crates' tests, docs and the repository's rules; writes nothing
	cargo fmt --all --check
	rustfmt --check tests/fuzz/*.rs
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(call run_tests,$(PURE))
	$(call run_tests,-p system-tests --test repo)
	cargo test --locked --quiet --doc --workspace
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet --workspace --no-deps --document-private-items
	if command -v cargo-deny >/dev/null; then cargo deny --config .cargo/deny.toml --offline check bans licenses sources; fi
	if command -v shellcheck >/dev/null; then git ls-files -z .ci '*.sh' | xargs -0 shellcheck; fi

fix: ## format, and apply what clippy can mend
	cargo clippy --workspace --all-targets --fix --allow-dirty
	cargo fmt --all
	rustfmt tests/fuzz/*.rs

unit: ## unit tests of every crate
	$(call run_tests,--workspace --exclude system-tests)

compliance: ## conformance suites on this host; UNDER_TEST=ours or reference
	cargo build --locked -p init -p tools -p journal -p etcd2 -p etcdctl -p flanneld -p coreos-cloudinit
	UNDER_TEST=$(UNDER_TEST) $(call run_tests,-p system-tests --test compliance)

image: deps-run ## build the qcow2
	cargo run --locked --quiet -p image-builder -- build --output $(IMAGE)

vm: image ## system tests in virtual machines
	GARBOARD_IMAGE=$(abspath $(IMAGE)) $(call run_tests,-p system-tests --test system --test transcripts)

full: test other ## what is too long for CI: other disk buses, building twice, the suites on the originals
	GARBOARD_IMAGE=$(abspath $(IMAGE)) $(call run_long,-p system-tests --test system)
	$(call run_long,-p system-tests --test compliance)
	$(call run_long,-p image-builder --test image)
	$(MAKE) compliance UNDER_TEST=reference

other: deps-test image ## machines with the QEMU of Debian's other release, and our PID 1 and journal with its systemd's tools
	qemu=$$($(UNPACK) --program 'qemu-system-x86_64 -L @/usr/share/qemu -L @/usr/share/seabios' --program qemu-img \
	    qemu-system-x86 qemu-utils); \
	PATH=$$qemu/bin:$$PATH $(MAKE) vm
	usr=$$($(UNPACK) $(OTHER_GUEST))/usr; \
	for what in ours tools reference; do $(MAKE) init-compliance GARBOARD_GUEST_USR=$$usr UNDER_TEST=$$what; done
	$(MAKE) init-compliance UNDER_TEST=tools

init-compliance:
	cargo build --locked -p init -p tools -p journal -p coreos-cloudinit
	UNDER_TEST=$(UNDER_TEST) $(call run_tests,-p system-tests --test compliance) init::

bench: deps-test image ## print measurements as ratios
	cargo build --locked --release -p etcd2 -p flanneld
	cargo run --locked --release -p system-tests --bin bench-etcd
	cargo run --locked --release -p system-tests --bin bench-flannel
	cargo run --locked --release -p system-tests --bin bench -- --image $(IMAGE)

fuzz: ## feed a parser with noise: TARGET=unit_file TIME=300 (tests/fuzz/README.md lists the targets)
	@command -v cargo-fuzz >/dev/null || { echo "make fuzz needs cargo-fuzz: cargo install cargo-fuzz"; exit 1; }
	@test -f "tests/fuzz/$(TARGET).rs" || { echo "TARGET= is one of:" $(basename $(notdir $(wildcard tests/fuzz/*.rs))); exit 1; }
	cp Cargo.lock tests/fuzz/
	mkdir -p tests/fuzz/corpus/$(TARGET)
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/fuzz RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --sanitizer $(SANITIZER) $(TARGET) \
		tests/fuzz/corpus/$(TARGET) $(SEEDS_$(TARGET)) -- -timeout=10 -max_total_time=$(TIME)

deps-run:
	@.ci/install run

deps-test:
	@.ci/install test
