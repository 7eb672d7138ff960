# panseal: what a person types. `make demo` and `make test` do all the set-up they need.

CARGO   ?= cargo
PYTHON  ?= python3
PREFIX  ?= /usr/local
DESTDIR ?=
LIBDIR  ?= $(PREFIX)/lib
TARGET  := $(or $(CARGO_TARGET_DIR),target)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# The number in the soname is the ABI's major version: bindings/c/build.rs has it too, and a test compares them.
ABI     := 0
VENV    := .venv

.PHONY: all demo test check-deep lint header shared static python install clean toolchain

all: shared python

# Card in, token out: from C, then from Python on the same vault file.
demo: toolchain
	@CARGO="$(CARGO)" PYTHON="$(PYTHON)" TARGET="$(TARGET)" sh examples/demo.sh

# All suites; prints how many tests ran in each, and which suites could not run here and why: PostgreSQL's where there
# is no `postgres` to start, the providers' clients where there is no Node.js or no network to download them from.
test: toolchain $(VENV)/ready
	@CARGO="$(CARGO)" $(VENV)/bin/python tests/run.py

# All verbs of a vault at once, under kills, ten minutes on each store, of which `make test` does 20 seconds; each table of a
# vault changed 100 times in each way, of which `make test` does 2; each request for memory of each function of the C
# library refused, of which `make test` does a few; and the search for keys in a process at work, with many more samples.
check-deep: toolchain
	PANSEAL_TRIALS=100 $(CARGO) test --package panseal --test tampering -- --nocapture
	PANSEAL_VERBS_SECONDS=600 $(CARGO) test --package panseal --features postgres \
	    --test all_verbs --test postgres_verbs -- --nocapture
	PANSEAL_STARVED_POINTS=0 $(CARGO) test --package panseal --test starved -- --nocapture
	PANSEAL_WAITING=deep $(CARGO) test --package panseal --features postgres --test residue_waiting -- --nocapture

lint: toolchain $(VENV)/ready
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	cd bindings/python && ../../$(VENV)/bin/mypy

# Writes include/panseal.h anew from src/capi.
header: toolchain
	PANSEAL_WRITE_HEADER=1 $(CARGO) test --quiet --package panseal --features capi --test header_fresh

shared: toolchain
	$(CARGO) build --release --package panseal-c

# In a build of its own: an archive made with fat LTO does not link together with another one.
static: toolchain
	$(CARGO) rustc --profile release-static --package panseal-c --crate-type staticlib

# The extension beside its package, where PYTHONPATH finds it: neither pip nor venv is needed.
python: toolchain
	$(CARGO) build --release --package panseal-python
	@rm -f bindings/python/panseal/_native.abi3.so
	cp $(TARGET)/release/lib_native.so bindings/python/panseal/_native.abi3.so

install: shared static
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/panseal.h $(DESTDIR)$(PREFIX)/include/
	install -m 755 $(TARGET)/release/libpanseal.so $(DESTDIR)$(LIBDIR)/libpanseal.so.$(VERSION)
	ln -sf libpanseal.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libpanseal.so.$(ABI)
	ln -sf libpanseal.so.$(ABI) $(DESTDIR)$(LIBDIR)/libpanseal.so
	install -m 644 $(TARGET)/release-static/libpanseal.a $(DESTDIR)$(LIBDIR)/
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
	    bindings/c/panseal.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/panseal.pc
	chmod 644 $(DESTDIR)$(LIBDIR)/pkgconfig/panseal.pc

clean:
	$(CARGO) clean
	rm -rf $(VENV) bindings/python/panseal/_native.abi3.so

toolchain:
	@sh tests/toolchain.sh "$(CARGO)"

$(VENV)/ready: bindings/python/requirements-dev.txt
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@
