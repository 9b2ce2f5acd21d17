# Both of these do all of their own set-up on a fresh clone (Python >= 3.11):
#   make demo    trains the starter on the example adventure, shows what changed, opens the game
#   make test    lint, types and tests

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test soak lint clean

demo: $(READY)
	$(BIN)/textxfer demo

test: $(READY) lint
	$(BIN)/python -m pytest -m "not soak"

soak: $(READY)
	$(BIN)/python -m pytest -m soak --timeout 7200

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# torch comes first and by its exact version: any looser wish would bring a build with
# several gigabytes of CUDA to machines that have a CPU build of this one at hand.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "textxfer needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try make PYTHON=python3.12 ..."; exit 2; }
	@echo "Setting up .venv (once; some minutes) ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -q --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv build *.egg-info
