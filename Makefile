# make music: install, pull the trained models, write music. make test: lint and tests.

PYTHON ?= python3
VENV := .venv
TORCH := 2.13.0

# dvc runs `python` and, for queues, `dvc`: both are the environment's.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)

.PHONY: music test readme

# The stages that make what one can hear, in the order in which one wants it. All others are left out:
# they train, or measure what is in results/ already.
FIRST := tokens@letters token_compose@letters
NEXT := corpus dataset compose
THEN := held_out improvise reconstruct $(foreach kind,events chords,tokens@$(kind) token_compose@$(kind)) augment page

music: $(VENV)/installed
	dvc pull --quiet --allow-missing
	dvc repro --single-item $(FIRST)
	@echo
	@echo "To hear already, a tune: results/token_compose/letters/piece-01.wav"
	@echo
	dvc repro --single-item $(NEXT)
	@echo
	@echo "To hear already, a chorale: results/compose/piece-01.wav"
	@echo
	dvc repro --single-item $(THEN)
	@echo
	@echo "To see and to hear: open results/page/index.html"
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		python -m webbrowser "file://$(CURDIR)/results/page/index.html"; fi
	@echo "To go on:    . $(VENV)/bin/activate"

test: $(VENV)/tested
	ruff check .
	ruff format --check .
	OMP_NUM_THREADS=1 pytest --numprocesses 2 --dist loadfile

# The figures and the picture in the README and in docs/, from results/.
readme: $(VENV)/installed
	python bench/readme.py

# torch comes first and alone: one that is there and fits stays, whatever its build.
$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make music PYTHON=python3.11")'
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	python -c 'import torch; v = tuple(map(int, torch.__version__.split(".")[:2])); assert (2, 6) <= v < (3, 0)' 2>/dev/null \
		|| python -m pip install torch==$(TORCH)
	python -m pip install --constraint constraints.txt --editable .
	touch $@

$(VENV)/tested: $(VENV)/installed
	python -m pip install --constraint constraints.txt --editable '.[test]'
	touch $@
