#!/usr/bin/env bash
# Checks handoff.pml with spin, for several sizes, and that each mutant of it fails. Needs spin and a C compiler.
# QUICK=1 takes the smallest size only. Exit status 77 (skipped) with the reason where a tool is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for tool in spin cc; do
    command -v "$tool" >/dev/null || { echo "skipped: no $tool here"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# Prints spin's verdict; true if no error was found. A search that was cut short counts as an error.
check() {
    spin -a "$@" "$here/handoff.pml" >/dev/null
    cc -O1 -w -DSAFETY -o pan pan.c
    ./pan -m1000000 >out.txt
    grep -q 'max search depth too small' out.txt && { echo "search cut short"; return 1; }
    grep -E 'errors:' out.txt | sed "s/^/$* /"
    grep -q 'errors: 0' out.txt
}

sizes=("-DITEMS=3 -DCAPACITY=2 -DTIMEOUTS=1")
if [ -z "${QUICK:-}" ]; then
    sizes+=("-DITEMS=3 -DCAPACITY=1 -DTIMEOUTS=2" "-DITEMS=4 -DCAPACITY=2 -DTIMEOUTS=1")
    sizes+=("-DITEMS=5 -DCAPACITY=3 -DTIMEOUTS=1")
fi
for size in "${sizes[@]}"; do
    # shellcheck disable=SC2086 - several options in one string
    check $size || { cat out.txt; echo "FAILED: the model has an error"; exit 1; }
done
for mutant in MUTANT_NO_FENCE MUTANT_NO_RECHECK MUTANT_NO_CLOSE_WAKE; do
    if check "-D$mutant" -DITEMS=3; then
        echo "FAILED: the model does not notice $mutant"
        exit 1
    fi
done
echo "spin: the protocol holds, and every mutant is caught"
