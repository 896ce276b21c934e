#!/usr/bin/env bash
# Install gcsa into .venv: GEOS where it may, Python packages, the compiled extension.
# Run again, it does what is missing. With --tests it adds what the tests need, Chromium for the
# report's test among it.
# PYTHON names the interpreter to start from (default python3). On Linux every package but torch
# must have the hash that requirements-lock.txt gives; UNLOCKED=1 takes the same versions of
# requirements.txt, and whatever they need today, without.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "install: $*" >&2; exit 1; }
say() { echo "install: $*"; }

# A package of the system, where this user may install one.
package() {
    say "$1, from the system's packages"
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        (apt-get -qq update && apt-get -qq install -y --no-install-recommends "$1") >/dev/null 2>&1 || true
    elif command -v apt-get >/dev/null && sudo -n true 2>/dev/null; then
        (sudo -n apt-get -qq update && sudo -n apt-get -qq install -y --no-install-recommends "$1") >/dev/null 2>&1 || true
    fi
}

# GEOS is optional: fields of view wider than 180 degrees then go through Shapely.
if ! command -v geos-config >/dev/null; then
    if command -v brew >/dev/null; then brew install --quiet geos || true; else package libgeos-dev; fi
fi
command -v geos-config >/dev/null ||
    echo "install: no GEOS (apt-get install libgeos-dev, brew install geos): going on without it"
if [ "${1:-}" = --tests ] && ! command -v chromium >/dev/null; then package chromium; fi

files=(requirements.txt requirements-lock.txt setup.py pyproject.toml src_c/*)
[ "${1:-}" = --tests ] && files+=(tests/requirements.txt)
stamp=.venv/installed$([ "${1:-}" = --tests ] && echo -tests || true)
state=$({ cat "${files[@]}"; command -v geos-config || true; pwd; } | cksum)
if [ "$(cat "$stamp" 2>/dev/null)" = "$state" ]; then
    exit 0
fi

"${PYTHON:-python3}" -c "import sys; sys.exit(sys.version_info < (3, 11))" ||
    fail "Python 3.11 or later is needed (PYTHON names another interpreter)"
say "an environment in .venv, $("${PYTHON:-python3}" --version)"
"${PYTHON:-python3}" -m venv .venv ||
    fail "cannot make .venv (on Debian: apt-get install python3-venv)"
pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet)
# torch on its own, first: nothing that follows may then choose another build.
torch=$(grep '^torch==' requirements.txt)
say "$torch, to download: 200 MB for CPUs alone, gigabytes with CUDA"
"${pip[@]}" "$torch" || fail "torch cannot be installed"
if [ "$(uname -s)" = Linux ] && [ "${UNLOCKED:-}" != 1 ]; then
    say "$(grep -c '^[a-z]' requirements-lock.txt) packages with their hashes, to download: 120 MB"
    "${pip[@]}" --require-hashes -r requirements-lock.txt ||
        fail "the packages of requirements-lock.txt cannot be installed; UNLOCKED=1 goes without hashes"
else
    say "the packages of requirements.txt, without hashes, to download: 120 MB"
    "${pip[@]}" -r requirements.txt || fail "the packages of requirements.txt cannot be installed"
fi
if [ "${1:-}" = --tests ]; then
    say "what the tests need, to download: 140 MB"
    "${pip[@]}" -r tests/requirements.txt || fail "the packages of the tests cannot be installed"
fi
say "gcsa itself; a C compiler, where there is one, makes it faster"
"${pip[@]}" --editable . || fail "gcsa cannot be installed"
echo "$state" >"$stamp"
say "done, field-of-view overlap by $(.venv/bin/python -c 'from gcsa.sideinfo import fov; print(fov.backend())')"
