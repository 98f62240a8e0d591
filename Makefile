# Everything a fresh machine needs is Python 3.11 and make; `make setup` brings the rest.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
READY := .venv/.ready
TEXTURES ?= textures

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo modal-local test check bench textures lock clean

help:  ## Say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

setup: $(READY)  ## Make .venv with the package, editable, and all that it needs

# The lock file fits one platform. Elsewhere pip chooses versions by pyproject.toml.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@if $(PY) -c 'import platform as p, sys; sys.exit((sys.version_info[:2], p.system(), p.machine()) != ((3, 11), "Linux", "x86_64"))'; \
	then \
		echo "Installing what requirements.lock lists into .venv (some 300 MB to download)"; \
		$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --requirement requirements.lock && \
		$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --editable .; \
	else \
		echo "requirements.lock is for Python 3.11 on Linux x86_64; installing the newest versions that fit"; \
		$(PY) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	fi
	@$(PY) -m pip check --disable-pip-version-check
	@touch $@

demo: setup  ## Interpolate a real clip: demo.mp4 at twice the frames, and demo.png to look at
	@$(PY) -m benchmarks.demo

modal-local: setup  ## Deploy modal_app.py on a control plane on this machine; prints an address and a key
	@$(PY) -m tests.modal.local

test: setup  ## Run every test, and measure what they cover
	@rm -f .coverage .coverage.*
	@$(PY) -m coverage run -m pytest --numprocesses 2 --dist loadfile
	@$(PY) -m tests.coverage_files
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

check: setup  ## Lint, check formatting, types, floors and the lock file
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo
	@! grep -nE '://|@|^-' requirements.lock || { echo "requirements.lock: only NAME==VERSION may be there"; exit 1; }

bench: setup  ## Measure network against pipeline, reuse and memory; JSON
	@$(PY) -m benchmarks.pipeline

textures: $(TEXTURES)/SOURCES.tsv  ## Gather photographs to train on into textures/ (Debian and Ubuntu)

$(TEXTURES)/SOURCES.tsv: | setup
	@$(PY) -m film.training.gather $(TEXTURES)

lock: setup  ## Write requirements.lock from what .venv holds now
	@$(PY) -m pip freeze --all --exclude pip --exclude-editable --disable-pip-version-check > .lock.partial
	@{ echo "# What film, train and dev of pyproject.toml come to on Linux x86_64 with Python 3.11."; \
	   echo "# Written by \`make lock\`; installed without looking for dependencies by \`make setup\`."; \
	   cat .lock.partial; } > requirements.lock
	@rm .lock.partial
	@touch $(READY)

clean:  ## Remove what was made: .venv, caches, demo files (textures/ and runs/ stay)
	rm -rf .venv .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache dist demo.mp4 demo.png
	find film tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
