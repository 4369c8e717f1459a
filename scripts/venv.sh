#!/bin/sh
# Makes .venv, or brings it up to date: requirements.txt, this package, the development tools.
#
#   sh scripts/venv.sh [PYTHON]     called by make; PYTHON is the interpreter to make it with
#
# .venv/.ready says that it is complete. While this works, .venv/.unfinished holds its process id:
# a second call waits for the first, and what an interruption has left behind is made anew.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
base() { "$1" -c 'import sys; print(sys.base_prefix)' 2>/dev/null; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
up_to_date() { [ .venv/.ready -nt requirements.txt ] && [ .venv/.ready -nt pyproject.toml ]; }
works() { [ ! -e .venv/.unfinished ] && new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1; }

choose_python() {
    if [ -n "$1" ]; then
        new_enough "$1" && { echo "$1"; return; }
        say "PYTHON=$1: $("$1" --version 2>&1 || true)"
        say "  reslab needs Python 3.11 or later; say which one, for example: make PYTHON=python3.12 …"
        exit 2
    fi
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        new_enough "$candidate" && { echo "$candidate"; return; }
    done
    say "No Python 3.11 or later is on the PATH (python3 is: $(python3 --version 2>&1 || true))."
    say "  Install one, or say where it is, for example: make PYTHON=/path/to/python3.12 …"
    exit 2
}

wait_for_other() {
    other=$(cat .venv/.unfinished 2>/dev/null) || return 0
    [ -n "$other" ] && kill -0 "$other" 2>/dev/null || return 0
    say "Process $other is making .venv; waiting for it."
    while kill -0 "$other" 2>/dev/null && [ -e .venv/.unfinished ]; do sleep 1; done
}

wait_for_other
asked=${1:-}
if ! works || { [ -n "$asked" ] && [ "$(base "$asked")" != "$(base .venv/bin/python)" ]; }; then
    python=$(choose_python "$asked")
    [ ! -e .venv ] || say "Making .venv anew: it is unfinished or belongs to another Python."
    rm -rf .venv
    mkdir .venv
    echo $$ > .venv/.unfinished
    "$python" -m venv .venv
elif up_to_date; then
    exit 0
fi
echo $$ > .venv/.unfinished
rm -f .venv/.ready
.venv/bin/python scripts/install.py >&2
touch .venv/.ready
rm .venv/.unfinished
