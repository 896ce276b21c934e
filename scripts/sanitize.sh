#!/usr/bin/env bash
# Build the kernels (src_c) with AddressSanitizer and UndefinedBehaviorSanitizer, run their tests,
# of which one lets a thread change their arrays meanwhile, and read mutated pickles; any fault ends
# this. Some minutes. TESTS: the tests (default all of the kernels). COUNT: mutated pickles of each
# kind (default 2000). PYTHON: the interpreter (default python3).
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g -O1"
CFLAGS="$flags" LDFLAGS="-fsanitize=address,undefined" \
    "$python" setup.py -q build_ext -f -b "$folder" -t "$folder/build" 2>"$folder/log" ||
    { cat "$folder/log" >&2; exit 2; }
ls "$folder"/gcsa/_kernels* >/dev/null 2>&1 || { cat "$folder/log" >&2; exit 2; }

# Python itself is not built so: its memory is that of malloc then, which is watched; what it never
# gives back is no fault here.
LD_PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libubsan.so)"
export LD_PRELOAD
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc OMP_NUM_THREADS=1
export SANITIZED="$folder/gcsa" PYTHONPATH="$PWD"

echo "sanitize: the tests of the kernels"
kernels="tests/sideinfo/test_fov.py tests/sideinfo/test_radio.py tests/sideinfo/test_changing_indices.py tests/ranking/test_best.py"
read -ra tests <<<"${TESTS:-$kernels}"
"$python" tests/fuzz/sanitized.py "${tests[@]}" \
    -k "not setup and not install and not memory and not grow"
if [ "${COUNT:-2000}" -gt 0 ]; then
    for reader in "pickle 2" "pickle 5"; do
        echo "sanitize: $reader"
        "$python" scripts/fuzz.py --reader "$reader" --count "${COUNT:-2000}" --memory 0 \
            --keep "$folder/found"
    done
fi
echo "sanitize: no fault"
