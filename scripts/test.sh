#!/usr/bin/env bash
# Everything that has to hold: install what is needed, lint, tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

step=installation
trap 'echo "test: $step failed" >&2' ERR

bash scripts/install.sh --tests
step=lint
.venv/bin/ruff check .
.venv/bin/shellcheck scripts/*.sh .ci/run
.venv/bin/ruff format --check --quiet . || { .venv/bin/ruff format --diff --quiet . | head -40; false; }
step=types
.venv/bin/mypy
step=tests
.venv/bin/python -m pytest -n "$(getconf _NPROCESSORS_ONLN)" "$@"
echo "test: all passed"
