# `make` without arguments lists the commands. Each one first installs its dependencies.

TREE := {{cookiecutter.project_slug}}
# Another Python, in its own environment: make test PYTHON=python3.13 VENV=.cache/venv-3.13
PYTHON ?=
VENV ?= .venv
BIN := $(VENV)/bin
# BIN as an absolute path, for commands in other folders
TOOLS := $(if $(filter /%,$(BIN)),,$(CURDIR)/)$(BIN)
# Two stages: `make service` does not install the tools that test the template.
GENERATOR := $(VENV)/.generator-ready
READY := $(VENV)/.ready

# make service ANSWERS="--no-input tracing=false" OUT=../services
ANSWERS ?=
OUT ?= ..
# make test SHARD=2/4 runs the second quarter of the combinations
SHARD ?=
# make test WHOLE=1 runs all tests of every combination; it takes hours
WHOLE ?=
# Parallel tests: many of them wait, so two more than CPUs
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
# More arguments for pytest: make test ARGS="-k cruft"
ARGS ?=

# All files of the tree are copied into every service: keep caches out of it.
export PYTHONDONTWRITEBYTECODE := 1
export RUFF_CACHE_DIR := $(CURDIR)/.cache/ruff
export MYPY_CACHE_DIR := $(CURDIR)/.cache/mypy
export OUT
export SHARD
export WHOLE

# Unset variables of the user's shell that make pip, uv or Python use another place than VENV, or change the pinned
# versions. The user chooses the source of packages: pip's indexes, and these variables of uv, are kept.
UV_KEPT := UV_CACHE_DIR UV_CONCURRENT% UV_CONFIG_FILE UV_DEFAULT_INDEX UV_EXTRA_INDEX_URL UV_FIND_LINKS \
	UV_HTTP% UV_INDEX% UV_INSECURE_HOST UV_KEYRING_PROVIDER UV_LINK_MODE UV_NATIVE_TLS UV_NO_CACHE \
	UV_OFFLINE UV_SYSTEM_CERTS
unexport $(filter-out $(UV_KEPT),$(filter UV_%,$(.VARIABLES)))
unexport PIP_CONSTRAINT PIP_DRY_RUN PIP_IGNORE_INSTALLED PIP_NO_DEPS PIP_PREFIX PIP_PYTHON \
	PIP_REQUIREMENT PIP_ROOT PIP_TARGET PIP_USER
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONSTARTUP PYTHONUSERBASE VIRTUAL_ENV

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

# PWD is the user's folder, also under `make -C`: OUT is relative to it.
.PHONY: service
service: $(GENERATOR) ## Generate a service from the answers to some questions (OUT=folder ANSWERS="--no-input name=value …")
	@cd "$(or $(PWD),.)" && "$(TOOLS)/python" "$(CURDIR)/tools/service.py" "$(CURDIR)" \
		--output-dir "$$OUT" $(ANSWERS)

# For the targets of these names in a service's Makefile, which clones this template; SERVICE is the service's folder.
.PHONY: service-update service-features service-undo-update service-domain
service-update service-features service-undo-update: $(GENERATOR)
	@"$(BIN)/python" tools/update.py "$(patsubst service-%,%,$@)" "$(SERVICE)"

service-domain: $(GENERATOR)
	@"$(BIN)/python" tools/domain.py "$(SERVICE)"

.PHONY: test
test: $(READY) ## Test every combination of answers (SHARD=i/n for a part)
	@$(BIN)/python -m pytest -n $(WORKERS) --maxschedchunk 8 $(ARGS)

.PHONY: quick
quick: $(READY) ## Test a set of combinations that covers every pair of answers
	@$(BIN)/python -m pytest -n $(WORKERS) --maxschedchunk 1 --quick $(ARGS)

.PHONY: lint
lint: $(READY) ## Check style and types, of the template and of the tree as it stands
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
# A separate cache: mypy discards a cache that was written with other settings.
	cd '$(TREE)' && "$(TOOLS)/ruff" check . && "$(TOOLS)/ruff" format --check . \
		&& "$(TOOLS)/mypy" --cache-dir "$(MYPY_CACHE_DIR)-tree" && "$(TOOLS)/lint-imports" --no-cache

.PHONY: format
format: $(READY) ## Format the template's code and the tree's
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	cd '$(TREE)' && "$(TOOLS)/ruff" check --fix-only . && "$(TOOLS)/ruff" format .

.PHONY: lock
lock: $(READY) ## Pin the dependencies of both pyproject.toml; keep pinned versions that still match
	@$(BIN)/python tools/lock.py $(NEWEST)

.PHONY: upgrade
upgrade: NEWEST := --upgrade
upgrade: lock ## Pin the newest versions of the dependencies

.PHONY: bench
bench: $(READY) ## Print the figures that the documentation quotes
	@for benchmark in benchmarks/*.py; do $(BIN)/python "$$benchmark" || exit 1; done

# make drills ONLY="SIGTERM deadlock" runs the drills whose name has one of these words
ONLY ?=

.PHONY: drills
drills: $(READY) ## Make dependencies fail under load, and print the outcome of the requests
	@$(BIN)/python -m drills $(ONLY)

.PHONY: screenshots
screenshots: $(READY) ## Take the screenshots of the documentation (needs Chromium)
	@$(BIN)/python tools/screenshots.py

# uv if it is installed, otherwise pip; both install the pinned versions and verify their hashes.
# $(1) are the arguments of the installer, $(2) names the packages in a message, $(3) is a module to import as a check.
define INSTALL
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11) none; do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	done; \
	if test "$$python" = none; then \
		echo "Python 3.11 or newer is needed: add PYTHON=/path/to/python3" >&2; exit 1; \
	fi; \
	echo "Installing $(2) into $(VENV) …"; \
	if command -v uv >/dev/null; then \
		python=$$("$$python" -c 'import sys; print(sys.executable)'); \
		uv venv --quiet --allow-existing --python "$$python" '$(VENV)' && \
		uv pip install --quiet --require-hashes --compile-bytecode --python $(BIN)/python $(1); \
	else \
		"$$python" -m venv '$(VENV)' && \
		$(BIN)/python -m pip install --disable-pip-version-check --no-user --require-hashes $(1); \
	fi
	@$(BIN)/python -c 'import $(3)' || { \
		echo "The packages are not in $(VENV): remove target, prefix and root from pip's configuration (pip config list)." >&2; \
		exit 1; \
	}
	@touch $@ && echo "Installed."
endef

$(GENERATOR): requirements.txt
	$(call INSTALL,-r requirements.txt,cookiecutter,cookiecutter)

# The services' test suites run in this environment too, with the pinned versions of services.
$(READY): requirements.txt requirements-dev.txt $(TREE)/requirements.txt $(TREE)/requirements-dev.txt $(TREE)/requirements-audit.txt
	$(call INSTALL,-r requirements-dev.txt -r '$(TREE)/requirements-dev.txt' -r '$(TREE)/requirements-audit.txt',cookiecutter and the tools that test the template,pytest)
	@touch $(GENERATOR)
