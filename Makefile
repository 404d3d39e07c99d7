# All that a person or CI does here. Needs Python 3.11 or newer, git and make; `make demo` is where to start.

ifeq ($(OS),Windows_NT)
  PYTHON ?= python
  BIN := .venv/Scripts
else
  PYTHON ?= python3
  BIN := .venv/bin
endif
READY := .venv/ready
AZURITE := src/laden/demo/azurite
PAGE := src/laden/explorer/static
TYPES := tests/explorer/types
TSC := .venv/types/node_modules/typescript/bin/tsc

# A start of the command is quicker by a third where its bytecode is kept, whatever the shell says of that.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check site audit bench picture lock clean .venv

demo: $(READY)
	$(BIN)/laden demo

test: $(READY)
	$(BIN)/python -m pytest -n auto --dist worksteal

check: $(READY) $(TSC)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/oxlint --deny-warnings --ignore-pattern '**/vendor/**' $(PAGE)
	rm -f .venv/types/*.js
	cp $(PAGE)/*.js $(TYPES)/tsconfig.json .venv/types
	cp -R $(TYPES)/vendor .venv/types
	$(BIN)/node $(TSC) --project .venv/types
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# The pages as a site, in build/site: open index.html; no server and no network is needed.
site: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The compiler that reads the page's JSDoc types; the page itself is run as it is written.
$(TSC): $(READY) $(TYPES)/package-lock.json
	mkdir -p .venv/types
	cp $(TYPES)/package.json $(TYPES)/package-lock.json .venv/types
	$(BIN)/npm --prefix .venv/types ci --ignore-scripts --no-audit --no-fund
	touch $@

# Known vulnerabilities of what the lock names; asks PyPI, so it is no part of the tests.
audit: $(READY)
	$(BIN)/uvx pip-audit --requirement requirements.lock --no-deps --disable-pip

bench: $(READY)
	$(BIN)/python -m bench
	$(BIN)/python -m bench.explore
	$(BIN)/python -m bench.weather
	$(BIN)/python -m bench.lines

# The pictures of the pages, drawn anew from real runs; the third and fourth need Chromium.
picture: $(READY)
	$(BIN)/python docs/picture.py
	$(BIN)/python docs/session_picture.py
	$(BIN)/python docs/report_picture.py
	PYTHONPATH=. $(BIN)/python docs/explore_picture.py

.venv: $(READY)

# Nothing is fetched but what the lock names by its hash; laden itself is built with the hatchling found there.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# The newest of everything, for every system and Python; then the packages of npm, without their addresses.
lock: $(READY)
	printf 'editables\nhatchling\nuv\n' | $(BIN)/uv pip compile pyproject.toml - --all-extras --group dev \
	  --universal --python-version 3.11 --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links \
	  --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock
	for folder in $(AZURITE) $(TYPES); do rm -f $$folder/package-lock.json; \
	  $(BIN)/npm --prefix $$folder install --package-lock-only --omit-lockfile-registry-resolved \
	    --ignore-scripts --no-audit --no-fund || exit 1; \
	  $(BIN)/python -c "import json, pathlib; \
	    path = pathlib.Path('$$folder/package-lock.json'); lock = json.loads(path.read_text()); \
	    [entry.pop(key, '') for entry in lock['packages'].values() for key in ('funding', 'license', 'resolved')]; \
	    path.write_text(json.dumps(lock, indent=2) + '\n')"; done

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
