#!/usr/bin/env bash
# The stress of handoff.h under ThreadSanitizer, and that its mutants are caught: a publish without release order must
# be reported as a data race, a park without the second look must lose a wake-up. ROUNDS (default 300) is how long.
# Exit status 77 (skipped) with the reason where a tool is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -ra compiler <<<"${CC:-cc}" # with arguments, or a wrapper before it
command -v "${compiler[0]}" >/dev/null || { echo "skipped: no ${compiler[0]} here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # NAME FLAGS...
    "${compiler[@]}" -std=c11 -D_DEFAULT_SOURCE -O2 -g -Wall -Wextra -Wno-unused-function -Wno-unused-parameter "${@:2}" \
        -I"$here/../../streamcore/_native" -o "$work/$1" "$here/stress.c" -pthread
}

echo 'int main(void) { return 0; }' >"$work/probe.c"
if ! "${compiler[@]}" -fsanitize=thread -o "$work/probe" "$work/probe.c" 2>/dev/null || ! "$work/probe" 2>/dev/null; then
    echo "skipped: ${compiler[*]} cannot build or run with -fsanitize=thread here"
    exit 77
fi
export TSAN_OPTIONS="halt_on_error=1 exitcode=66"

build stress -fsanitize=thread
"$work/stress" "${ROUNDS:-300}"

build relaxed -fsanitize=thread -DHANDOFF_MUTANT_RELAXED
status=0
"$work/relaxed" 0 >"$work/out.txt" 2>&1 || status=$?
if [ "$status" != 66 ] || ! grep -q 'data race' "$work/out.txt"; then
    echo "FAILED: ThreadSanitizer does not notice HANDOFF_MUTANT_RELAXED (status $status)"
    exit 1
fi
echo "HANDOFF_MUTANT_RELAXED: data race reported"

build no_recheck -DHANDOFF_MUTANT_NO_RECHECK
status=0
"$work/no_recheck" 0 >"$work/out.txt" 2>&1 || status=$?
if [ "$status" != 3 ]; then
    echo "FAILED: HANDOFF_MUTANT_NO_RECHECK loses no wake-up (status $status)"
    exit 1
fi
echo "HANDOFF_MUTANT_NO_RECHECK: lost wake-up noticed"
echo "tsan: no race, no lost wake-up, and every mutant is caught"
