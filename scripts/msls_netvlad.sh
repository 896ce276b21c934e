#!/usr/bin/env bash
# Global descriptors of MSLS with hloc, one HDF5 file per city.
set -euo pipefail

train_val="trondheim london boston melbourne amsterdam helsinki tokyo toronto saopaulo moscow zurich
paris bangkok budapest austin berlin ottawa phoenix goa amman nairobi manila cph sf"
test="miami athens buenosaires stockholm bengaluru kampala"
root=datasets outputs=outputs conf=netvlad python=python
usage() {
    cat <<'HELP'
usage: bash scripts/msls_netvlad.sh [--root datasets] [--outputs outputs] [--conf netvlad]
                                    [--python python] [CITY ...]

Extracts a global descriptor of every image of the chosen MSLS cities (default: all 30).
  reads   ROOT/msls/{train_val,test}/CITY/{query,database}/images/KEY.jpg
  writes  OUTPUTS/msls/CITY/global-feats-netvlad.h5 (float16), names relative to the city:
          query/images/KEY.jpg, database/images/KEY.jpg
  --conf     another global descriptor of hloc; the file then has the name that hloc gives it
  --python   the interpreter in which hloc is installed
Cities that are not on disk are left out. A repeated run goes on where the last one stopped.
Exit status: 0, or 1 when nothing was found or an extraction failed, or 2 for a wrong call.
HELP
}
wrong_call() { echo "msls_netvlad.sh: $1 (see --help)" >&2; exit 2; }
cities=()
while (($#)); do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --root | --outputs | --conf | --python)
            [[ -n ${2:-} ]] || wrong_call "$1 needs a value"
            printf -v "${1#--}" %s "$2"; shift ;;
        -*) wrong_call "unknown option $1" ;;
        *) [[ " ${train_val//$'\n'/ } $test " == *" $1 "* ]] || wrong_call "unknown city $1"
           cities+=("$1") ;;
    esac
    shift
done
# shellcheck disable=SC2206  # the lists are words
((${#cities[@]})) || cities=($train_val $test)

# The import shows that hloc works, and the name of the output file is hloc's to give.
if ! answer=$("$python" -c 'import sys; from hloc.extract_features import confs
conf = confs.get(sys.argv[1])
print("OUTPUT", conf["output"] if conf else "")' "$conf" 2>&1); then
    cat >&2 <<HELP
msls_netvlad.sh: hloc cannot be imported by '$python': ${answer##*$'\n'}
hloc is not on PyPI. Install it into that interpreter's environment with
    git clone --recursive https://github.com/cvg/Hierarchical-Localization
    cd Hierarchical-Localization && $python -m pip install -e .
or name another interpreter with --python.
HELP
    exit 1
fi
output=${answer##*OUTPUT } output=${output%%$'\n'*}
[[ $output == global-* ]] || wrong_call "--conf $conf is not a global descriptor of this hloc"

# How many images a city has, and how many of them have no descriptor in the file yet.
count() {
    "$python" - "$1" "$2" <<'PY'
import os, sys
import h5py
city, path = sys.argv[1:]
names = [f"{role}/images/{name}" for role in ("query", "database")
         for name in os.listdir(f"{city}/{role}/images")
         if name.endswith(".jpg") and not name.startswith(".")]
missing = len(names)
if os.path.exists(path):
    try:
        with h5py.File(path, "r") as file:
            missing = sum(f"{name}/global_descriptor" not in file for name in names)
    except OSError as error:
        sys.exit(f"{path}: {error}")
print(len(names), missing)
PY
}

n_done=0 n_extracted=0 n_absent=0 n_failed=0
fail() { echo "$city: FAILED, $1" >&2; n_failed=$((n_failed + 1)); }
absent() { echo "$city: skipped, absent: expected $1"; n_absent=$((n_absent + 1)); }
for city in "${cities[@]}"; do
    [[ " $test " == *" $city "* ]] && split='test' || split='train_val'
    images=$root/msls/$split/$city file=$outputs/msls/$city/$output.h5
    [[ -d $images/query/images ]] || { absent "$images/query/images"; continue; }
    [[ -d $images/database/images ]] || { absent "$images/database/images"; continue; }
    numbers=$(count "$images" "$file") || { fail "delete $file unless it is in use"; continue; }
    read -r n missing <<<"$numbers"
    ((n)) || { absent "$images/{query,database}/images/KEY.jpg"; continue; }
    ((missing)) || { echo "$city: done, $n images in $file"; n_done=$((n_done + 1)); continue; }
    echo "$city: extracting $missing of $n images"
    "$python" -m hloc.extract_features --image_dir "$images" --export_dir "$outputs/msls/$city" \
        --conf "$conf" --as_half || { fail "hloc stopped; see above, then run again"; continue; }
    numbers=$(count "$images" "$file") || { fail "cannot read $file"; continue; }
    read -r n missing <<<"$numbers"
    ((missing == 0)) || { fail "$missing of $n images are not in $file"; continue; }
    echo "$city: extracted, $n images in $file"; n_extracted=$((n_extracted + 1))
done
echo "$n_extracted extracted, $n_done done before, $n_absent absent, $n_failed failed"
((n_failed == 0 && n_done + n_extracted > 0))
