# The front door: `make` alone says what there is, on one screen (24 × 80), `make help-all` the rest.
# Every target works from a fresh clone.
# GNU make 3.81 or later (macOS has 3.81).

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help help-all experiment status stop table figure paper light page serve compare results sync dashboard train finetune models bench
.PHONY: setup test-fast test test-slow test-lowest soak gpu-check check lint format clean

#: Residual nets, the protocols of their papers, and the tables they print.
#:
#:   make experiment NAME=quickstart   train, then the table beside the paper's
#:                   … DRY=1           the plan: what it would take; writes nothing
#:                   … BUDGET=0.02     a pilot, beside the result: 2 % of the steps
#:                   … SEEDS=5         more seeds, for verdicts
#:   make status                       what has run or runs; NAME=… its runs
#:   make table NAME=quickstart        the table again, also half-finished
#:   make figure NAME=quickstart       error curves
#:   make page NAME=quickstart         one HTML file: table, verdicts, curves
#:   make paper NAME=quickstart        table, figures, references for LaTeX
#:   make compare NAME=quickstart,mnist            one table over several
#:   make train MODEL=resnet20 DATA=cifar10 RECIPE=he2015_cifar BUDGET=0.01
#:   make finetune FOLDER=~/photos MODEL=resnet50  on your own photographs
#:   make models                       nets that have a name, and their costs
#:
#: Stop with Ctrl-C: the same command goes on where it stopped. Finished runs are
#: not repeated. Results go to runs/NAME. Trained nets: python scripts/evaluate.py,
#: predict.py, export.py RUN (each with --help), in Python reslab.load("RUN").
#:
#: make experiment without NAME lists what ships; make help-all has all targets and
#: words (W&B, GPUs, subsets, settings, tests).

#| Experiments                                        results go to runs/NAME
#|
#|   make experiment NAME=quickstart                  train, then print the table beside the paper's
#|   make experiment NAME=plain_vs_residual BUDGET=0.02 SEEDS=1
#|   make experiment NAME=plain_vs_residual ONLY='*20'     only variants whose label matches
#|   make experiment NAME=plain_vs_residual DRY=1     the plan: runs, steps, cost; writes nothing
#|   make status                                      what has run or runs
#|   make status NAME=quickstart                      which runs are done, running, pending
#|   make stop NAME=quickstart                        cancel what it has on a cluster (ON=slurm)
#|   make table NAME=quickstart                       the table again, also of a half-finished one
#|   make table NAME=plain_vs_residual BUDGET=0.02 SEEDS=1     that of another plan
#|   make figure NAME=quickstart                      curves, error against depth, differences, …
#|   make figure NAME=quickstart FIGURE=curves        one of them
#|   make paper NAME=quickstart                       table, figures, protocol, references for LaTeX
#|   make light NAME=light_nets                       error, size and time of its nets, fp32 and int8
#|   make page NAME=quickstart                        one HTML file: table, curves, verdicts, runs
#|   make serve NAME=quickstart                       the same on 127.0.0.1 while runs go on; PORT=8000
#|   make compare NAME=quickstart,mnist               one table over several plans; page takes several, too
#|   make results NAME=quickstart                     keep what came of it in results/, which docs/results.md is of
#|   make sync NAME=quickstart                        send to W&B what it has not got
#|   make dashboard NAME=quickstart                   a W&B workspace and report of a plan
#|   make train MODEL=resnet20 DATA=cifar10 RECIPE=he2015_cifar BUDGET=0.01
#|                                                    one net: an experiment of one variant; DATA is a
#|                                                    name, a folder (./photos), or arrays in my.npz
#|   make train MODEL=python:my_nets.py:Net DATA=cifar10 RECIPE=he2015_cifar
#|                                                    a class in a file of yours, which is run
#|   make finetune FOLDER=~/photos MODEL=resnet50     published weights, a new head, your photographs
#|   make finetune FOLDER=~/photos MODEL=timm:tf_efficientnet_lite0 WEIGHTS=lite0.safetensors TRAINS=head
#|   make models                                      nets that have a name, and their costs
#|   make models MODEL='resnet*'                      some of them
#|   make bench                                       training beside the bare step and the usual loop;
#|                                                    ARGS='--net resnet20', ARGS='overhead' (the loop
#|                                                    alone), ARGS='growth' (how long commands take),
#|                                                    ARGS='photographs --size 224'
#|
#|   Stop with Ctrl-C: the same command goes on where it stopped. Finished runs are not repeated.
#|
#|   NAME      a file of configs/experiments, without .yaml
#|   BUDGET    fraction of the recipe's steps, the schedule in proportion, e.g. 0.02
#|   EPOCHS    instead of BUDGET: how often the training images are taken, e.g. 10
#|   SEEDS     number of seeds
#|   ONLY      variants by label: '*20', 'plain-*,ResNet 110', '!*1202' (all but these)
#|   SET       changes under every variant, e.g. 'recipe.optimizer.lr=0.01 model.shortcut=C'; a mapping
#|             replaces what stands there: 'recipe.optimizer={name: adam, lr: 0.001}'
#|   PLAN      a name for what these make, e.g. pilot; else it is quickstart@budget=0.02+seeds=1
#|   DEVICES   processes (GPUs) per run
#|   MICRO_BATCH     examples that a process takes at once, where memory is short
#|   SYNC_BATCHNORM  1: normalise over the examples of all GPUs of a run
#|   COMPILE         1: compile steps (CUDA graphs on a GPU), 0: do not; else GPUs do, and CPUs where it pays
#|   SLOTS_PER_GPU   runs at once on the same GPUs; auto: as many as raise what these do in all
#|   DIAGNOSTICS     1: measure nets in training, for about six steps: gradient norms, responses of
#|             layers, which make figure draws; no number of a run moves
#|   DRY       1: the plan only
#|   ON        a cluster, a file of configs/clusters: slurm; runs are submitted, DRY=1 prints the scripts
#|   FOLLOW    1: with ON, see the runs to their end, then print the table
#|   CARD      with DRY=1: the plan for a machine with such a GPU: h100, a100, rtx4090, …
#|   FIGURE    of figure: curves, depth, parameters, multiply_adds, trainable, differences, confusion,
#|             class_errors, gradients, responses, and mistakes, which reads images
#|
#|   experiment reads NAME and those below it, train MODEL, DATA, RECIPE and those, finetune FOLDER,
#|   MODEL, WEIGHTS (a file, a run, a published name, URL#sha256=…), TRAINS (all, head, …), RECIPE
#|   and those; status, table, figure, paper, light, page, serve, compare, results, sync and dashboard NAME and those down to PLAN,
#|   with which they read what experiment has made with them. NAME=quickstart@seeds=1 is short for these.
#|   A word that a target does not read is refused.
#|
#| Development
#|
#|   make setup        make .venv and nothing else; every target does so where it is missing
#|   make test-fast    under a minute: without tests that train
#|   make test         under ten minutes: all but the slow ones; make test ARGS='-x -k resume'
#|   make test-slow    the slow ones, under forty minutes
#|   make test-lowest  fast tests of nets, descriptions and training with the lowest versions allowed
#|   make soak         runs of many kinds, killed and starved for SECONDS=120, end with equal bits
#|   make gpu-check    what a GPU makes of all this, in SECONDS=600, without a network and with any
#|                     PYTHON=python3; WHEELS=.gpu/whl has the packages that it lacks (docs/gpu.md)
#|   make check        what CI runs: lint, then every test
#|   make lint         ruff, mypy, and the floors that import-linter guards
#|   make format       mend the style
#|   make clean        remove caches; never runs, data or .venv
#|
#| Environment
#|
#|   .venv is made when it is missing and renewed when requirements.txt or pyproject.toml change.
#|
#|   make VENV=~/miniconda3/envs/torch …    use this environment as it is; nothing is installed
#|   make PYTHON=python3.12 …               use this Python as it is if it has the requirements,
#|                                          else make .venv with it (3.11 or later)

# What the user may say, and what each target reads of it. Only make's command line counts and not
# the environment: WSL, for one, sets NAME to the machine's name.
OF_PLANS := BUDGET EPOCHS SEEDS ONLY SET PLAN
OF_RUNS := $(OF_PLANS) DEVICES MICRO_BATCH SYNC_BATCHNORM COMPILE SLOTS_PER_GPU DIAGNOSTICS DRY CARD ON FOLLOW
WORDS := NAME $(OF_RUNS) FIGURE MODEL DATA RECIPE FOLDER WEIGHTS TRAINS SECONDS WHEELS PORT ARGS

reads.experiment := NAME $(OF_RUNS)
reads.train      := MODEL DATA RECIPE $(OF_RUNS)
reads.finetune   := FOLDER MODEL WEIGHTS TRAINS RECIPE $(OF_RUNS)
reads.figure     := NAME $(OF_PLANS) FIGURE
reads.serve      := NAME $(OF_PLANS) PORT
reads.sync       := NAME $(OF_PLANS) DRY
reads.models     := MODEL
reads.soak       := SECONDS ARGS
reads.gpu-check  := SECONDS WHEELS ARGS
$(foreach target,status stop table paper light page compare results dashboard,$(eval reads.$(target) := NAME $(OF_PLANS)))
$(foreach target,bench check test test-fast test-slow test-lowest,$(eval reads.$(target) := ARGS))
$(foreach target,setup lint format clean help help-all,$(eval reads.$(target) :=))

# make would expand a value wherever it is referred to or handed on, and so run a $(shell …) in it:
# each becomes the text that stands there, before anything else. Recipes have it from the
# environment ("$$NAME") and never in their own text, which the shell reads.
GIVEN := $(foreach word,$(.VARIABLES),$(if $(filter command,$(origin $(word))),$(word)))
$(foreach word,$(WORDS),$(if $(findstring environment,$(origin $(word))),$(eval $(word) :=)))
$(foreach word,$(GIVEN) VENV PYTHON PYTHONPATH,$(eval override $(word) := $$(value $(word))))
export PYTHONPATH INTERPRETER $(GIVEN)
MAKEOVERRIDES :=

# A word as one of the shell's, for $(shell …), which has no environment of make's before 4.4.
quoted = '$(subst ','\'',$1)'

# A word that is not heard would be ignored, and the whole experiment begin: only those are taken
# that the target reads, and the variables of programs, which make hands on to them.
FOREIGN := $(firstword $(filter-out $(WORDS) VENV PYTHON SHELL RESLAB_% WANDB_% CUDA_% NCCL_% GLOO_% OMP_% MKL_% \
	TORCH% PYTORCH_% PYTHON% PIP_% UV_% HF_% TMPDIR HOME PATH,$(GIVEN)))
ifneq ($(FOREIGN),)
  NEAR := $(shell $(firstword $(wildcard .venv/bin/python) python3) -c 'import difflib, sys; \
	print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1))' \
	$(call quoted,$(FOREIGN)) $(WORDS) VENV PYTHON 2>/dev/null)
  $(error there is no $(FOREIGN)=$(if $(NEAR),; did you mean $(NEAR)?,.) There are $(WORDS) VENV PYTHON. \
    Variables of other programs stand before make: $(FOREIGN)=… make …)
endif

GOALS := $(foreach goal,$(or $(MAKECMDGOALS),help),$(if $(filter file,$(origin reads.$(goal))),$(goal)))
READ := $(filter $(foreach goal,$(GOALS),$(reads.$(goal))),$(WORDS))
UNREAD := $(filter-out $(READ),$(filter $(WORDS),$(GIVEN)))
ifneq ($(and $(GOALS),$(UNREAD)),)
  $(error make $(GOALS) does not read $(addsuffix =,$(UNREAD)); it reads $(or $(READ),no words); see make help-all)
endif

# The checkout's own code comes first, wherever an environment has another one.
override PYTHONPATH := $(CURDIR)/src$(if $(PYTHONPATH),:$(PYTHONPATH))

# Which Python: that of VENV, or PYTHON itself, or .venv's, which scripts/venv.sh makes.
NEEDED := torch torchvision lightning torchmetrics wandb timm pydantic yaml numpy scipy matplotlib tqdm jinja2 safetensors PIL
LACKING = -c 'import sys, importlib.util as u; \
	print(*(m for m in sys.argv[1:] if not u.find_spec(m)))' $(NEEDED)
ifneq ($(VENV),)
  # ~/ at its beginning alone: ./a~/b is a folder, too.
  CHOSEN := $(if $(filter ~/%,$(firstword $(VENV))),$(subst ^~/,$(value HOME)/,^$(VENV)),$(VENV))/bin/python
else ifneq ($(PYTHON),)
  ifeq ($(shell $(call quoted,$(PYTHON)) $(LACKING) 2>&1 || echo Python),)
    CHOSEN := $(PYTHON)
  endif
endif
ifdef CHOSEN
  READY := _chosen
else
  READY := .venv/.ready
endif
INTERPRETER := $(or $(CHOSEN),.venv/bin/python)
RUN := exec "$$INTERPRETER"
# ARGS is divided as the shell would, and nothing in it is expanded or run.
RUN_ARGS := $(RUN) $(if $(ARGS),-m reslab.make)

# --- experiments -----------------------------------------------------------------------------------

THE_PLAN = $${BUDGET:+"--budget=$$BUDGET"} $${EPOCHS:+"--epochs=$$EPOCHS"} $${SEEDS:+"--seeds=$$SEEDS"} $${ONLY:+"--only=$$ONLY"} \
	$${SET:+"--settings=$$SET"} $${PLAN:+"--plan=$$PLAN"}
# An option for a word that says yes.
switch = $(if $(filter-out 0 no false,$($(1))),$(2))
OPTIONS = $(THE_PLAN) \
	$${DEVICES:+"--devices=$$DEVICES"} $${MICRO_BATCH:+"--micro-batch=$$MICRO_BATCH"} \
	$${SLOTS_PER_GPU:+"--slots-per-gpu=$$SLOTS_PER_GPU"} $${CARD:+"--card=$$CARD"} $${ON:+"--on=$$ON"} \
	$(call switch,SYNC_BATCHNORM,--sync-batchnorm) \
	$(if $(COMPILE),$(or $(call switch,COMPILE,--compile),--no-compile)) \
	$(call switch,DIAGNOSTICS,--diagnostics) $(call switch,DRY,--dry) $(call switch,FOLLOW,--follow)

experiment: _name $(READY)
	@$(RUN) scripts/experiment.py run $(OPTIONS) -- "$$NAME"

status results: $(READY)
	@$(RUN) scripts/experiment.py $@ $(THE_PLAN) $${NAME:+-- "$$NAME"}

table paper light stop: _name $(READY)
	@$(RUN) scripts/experiment.py $@ $(THE_PLAN) -- "$$NAME"

figure: _name $(READY)
	@$(RUN) scripts/experiment.py figure $(THE_PLAN) $${FIGURE:+"--figure=$$FIGURE"} -- "$$NAME"

compare page: _name $(READY)
	@set -f; IFS=', '; $(RUN) scripts/experiment.py $@ $(THE_PLAN) -- $$NAME

serve: _name $(READY)
	@set -f; IFS=', '; $(RUN) scripts/experiment.py serve $(THE_PLAN) $${PORT:+"--port=$$PORT"} -- $$NAME

sync: $(READY)
	@$(RUN) scripts/sync.py $(THE_PLAN) $(call switch,DRY,--dry) $${NAME:+-- "$$NAME"}

dashboard: _name $(READY)
	@$(RUN) scripts/dashboard.py $(THE_PLAN) -- "$$NAME"

train: _model $(READY)
	@$(RUN) scripts/experiment.py train "--model=$$MODEL" "--data=$$DATA" "--recipe=$$RECIPE" $(OPTIONS)

finetune: _folder $(READY)
	@$(RUN) scripts/experiment.py finetune "--folder=$$FOLDER" "--model=$$MODEL" \
		$${WEIGHTS:+"--weights=$$WEIGHTS"} $${TRAINS:+"--trains=$$TRAINS"} $${RECIPE:+"--recipe=$$RECIPE"} $(OPTIONS)

models: $(READY)
	@$(RUN) scripts/models.py $${MODEL:+-- "$$MODEL"}

bench: $(READY)
	@$(RUN_ARGS) -m benchmarks

# --- development -----------------------------------------------------------------------------------

setup: $(READY)

test-fast: $(READY)
	@$(RUN_ARGS) -m pytest -m 'not slow and not process' --numprocesses=auto --maxprocesses=8

test: $(READY)
	@$(RUN_ARGS) -m pytest -m 'not slow'

test-slow: $(READY)
	@$(RUN_ARGS) -m pytest -m slow --durations=10

test-lowest: $(READY) .venv-lowest/.ready
	@INTERPRETER=.venv-lowest/bin/python; \
	$(RUN_ARGS) -m pytest -m 'not slow and not process' tests/config tests/models tests/training

soak: $(READY)
	@$(RUN_ARGS) -m tests.soak $${SECONDS:+"--seconds=$$SECONDS"}

# PYTHON is taken as it is: WHEELS has what it lacks, and there is no network to make .venv with.
gpu-check: INTERPRETER := $(or $(CHOSEN),$(PYTHON),.venv/bin/python)
gpu-check: $(if $(CHOSEN)$(PYTHON),,$(READY))
	@$(RUN_ARGS) -m tests.gpu_check $${SECONDS:+"--seconds=$$SECONDS"} $${WHEELS:+"--wheels=$$WHEELS"}

# Two at once: many tests train in processes of their own, and some of these in pairs.
check: lint
	@$(RUN_ARGS) -m pytest --durations=20 --numprocesses=auto --maxprocesses=2

lint: $(READY)
	@$(RUN) -m ruff check
	@$(RUN) -m ruff format --check
	@$(RUN) -m mypy
	@$(RUN) -c 'from importlinter.cli import lint_imports_command as main; main()'

format: $(READY)
	@$(RUN) -m ruff check --fix --quiet || true
	@$(RUN) -m ruff format

clean:
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find src scripts tests -name __pycache__ -prune -exec rm -rf {} +

help:
	@sed -n 's/^#: \{0,1\}//p' Makefile

help-all:
	@sed -n 's/^#| \{0,1\}//p' Makefile
	@printf '\nExperiments in configs/experiments\n\n'; $(LIST)

# --- what the targets above rest on ----------------------------------------------------------------

.PHONY: _name _model _folder _chosen _always

LIST = for file in configs/experiments/*.yaml; do [ -e "$$file" ] || continue; \
	printf '  %-27s  %s\n' "$$(basename "$$file" .yaml)" "$$(sed -n '1{s/^\# *//;s/   .*//;p;}' "$$file")"; done

_name:
	@[ -n "$$NAME" ] || { printf 'Which experiment? Say NAME=…, for example:\n\n'; \
		printf '  make $(firstword $(GOALS)) NAME=quickstart\n\n'; $(LIST); exit 2; } >&2

# Those of some words that are not said.
unsaid = $(strip $(foreach word,$(1),$(if $(value $(word)),,$(word)=…)))

_model:
	@[ -z '$(call unsaid,MODEL DATA RECIPE)' ] || { printf '%s\n' \
		'make train needs $(call unsaid,MODEL DATA RECIPE), for example:' '' \
		'  make train MODEL=resnet20 DATA=cifar10 RECIPE=he2015_cifar BUDGET=0.01' '' \
		'Nets: make models. Data sets: digits, mnist, cifar10, cifar100, imagenette_mini and others, a folder of photographs (./photos), or a file of arrays (my.npz). Recipes: configs/recipes.'; \
		exit 2; } >&2

_folder:
	@[ -z '$(call unsaid,FOLDER MODEL)' ] || { printf '%s\n' \
		'make finetune needs $(call unsaid,FOLDER MODEL), for example:' '' \
		'  make finetune FOLDER=~/photos MODEL=resnet50' '' \
		'In the folder every class is a folder: ~/photos/cat/1.jpg, ~/photos/dog/1.jpg. Nets with published weights: resnet18, resnet50, torchvision:…, timm:…'; \
		exit 2; } >&2

# Made with PYTHON if that is given; remade if its interpreter has gone.
.venv/.ready: requirements.txt pyproject.toml $(if $(PYTHON),_always)
.venv/.ready: $(if $(shell .venv/bin/python -c 'print("runs")' 2>/dev/null),,_always)
	@sh scripts/venv.sh "$$PYTHON"

# An environment of its own with the lowest versions of what pyproject.toml asks for.
.venv-lowest/.ready: pyproject.toml
	@rm -rf .venv-lowest
	@"$$INTERPRETER" -m venv .venv-lowest
	@.venv-lowest/bin/python scripts/install.py --lowest
	@touch $@

# An environment that is not ours is looked at and left alone.
ifneq ($(filter test% soak check lint format,$(MAKECMDGOALS)),)
  NEEDED += pytest hypothesis ruff mypy importlinter
endif
_chosen:
	@lacking=$$("$$INTERPRETER" $(LACKING) 2>/dev/null) || { printf '%s\n' "$$INTERPRETER is no Python that runs." >&2; exit 2; }; \
	"$$INTERPRETER" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ printf '%s\n' "$$INTERPRETER is $$("$$INTERPRETER" --version); reslab needs 3.11 or later." >&2; exit 2; }; \
	[ -z "$$lacking" ] || { printf '%s\n' "$$INTERPRETER lacks: $$lacking" "  Install it there:" \
		"  \"$$INTERPRETER\" -m pip install -r requirements.txt -e '.[dev]'" >&2; exit 2; }
