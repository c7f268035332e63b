#!/usr/bin/env bash
# Every kernel (scan, delimiters, words, utf8, BPE) held equal to the scalar reference: natively by each compiler here,
# under the sanitizers, and for other machines (i386, aarch64 with NEON, s390x with its bytes the other way round, x86-64
# without AVX2 or LZCNT) where a cross compiler or qemu is installed. What the reference gave must be the same on all of
# them. Then mutants: a kernel that is broken on purpose must be caught.
#
#   run_kernels.sh [CASES]      random texts for each driver; default 11352: every length at every alignment
#   QUICK=1 run_kernels.sh      fewer builds and 1500 cases
#   ONLY=aarch64 run_kernels.sh only targets and mutants whose name begins so
#
# A target without its tool is skipped and named, and with ALL=1 that is a failure; exit status 77 where there is no
# compiler at all.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
headers=$(cd "$here/../../streamcore/_native" && pwd)
quick=${QUICK:-}
cases=${1:-${quick:+1500}}
cases=${cases:-11352}
read -ra compiler <<<"${CC:-cc}" # with arguments, or a wrapper before it
command -v "${compiler[0]}" >/dev/null || { echo "skipped: no ${compiler[0]} here"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
FLAGS=(-std=c11 -D_DEFAULT_SOURCE -g -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter)
DRIVERS=(scan utf8 bpe)
optimize=${quick:+-O1}
optimize=${optimize:--O2}
order=()

# ---- targets --------------------------------------------------------------------------------------------------------

# NAME KERNELS RUNNER COMPILER FLAGS...: builds and runs the drivers; KERNELS are those that must have run ("" for any).
target() {
    local name=$1 kernels=$2 runner=$3 driver line
    shift 3
    for driver in "${DRIVERS[@]}"; do
        "$@" "${FLAGS[@]}" -I"$headers" -o "$work/$name.$driver" "$here/kernels_$driver.c"
        # shellcheck disable=SC2086 # a runner is a command with its arguments, or nothing
        line=$($runner "$work/$name.$driver" "$cases")
        echo "$name: $line"
        echo "$driver ${line##*digest }" >>"$work/$name.digests"
        case "$line" in
            *": ${kernels:-scalar}"*) ;;
            *) echo "FAILED: $name should have run $kernels"; return 1 ;;
        esac
        if [ -n "$kernels" ] && [[ "$line" != *": $kernels: "* ]]; then
            echo "FAILED: $name should have run $kernels"
            return 1
        fi
    done
}

# NAME FILE SED DRIVER RUNNER COMPILER...: with one line of one header changed, the driver must fail by itself.
mutant() {
    local name=$1 file=$2 change=$3 driver=$4 runner=$5 copy="$work/$1.headers" status=0
    shift 5
    mkdir "$copy"
    (cd "$headers" && tar -cf - */*.h) | tar -xf - -C "$copy"
    sed -i.before -e "$change" "$copy/$file"
    if cmp -s "$copy/$file" "$copy/$file.before"; then
        echo "FAILED: $name changes nothing in $file"
        return 1
    fi
    "$@" "${FLAGS[@]}" -Wno-error -I"$copy" -o "$work/$name" "$here/kernels_$driver.c"
    # shellcheck disable=SC2086
    $runner "$work/$name" "$cases" >"$work/$name.out" 2>&1 || status=$?
    if [ "$status" != 1 ] || ! grep -q '^FAILED' "$work/$name.out"; then
        cat "$work/$name.out"
        echo "FAILED: $name is not caught (status $status)"
        return 1
    fi
    echo "$name: caught: $(grep -m 1 '^FAILED' "$work/$name.out")"
}

# NAME TRIPLE FLAGS...: the headers compile as clang-cl takes them, with the few declarations of a C library that they want.
windows() {
    local name=$1 driver
    shift
    for driver in scan utf8 bpe; do
        "$clang" --target="$@" -fms-compatibility-version=19.30 -std=c11 -ffreestanding -Wall -Wextra -Werror -Wno-unused-function \
            -Wno-unused-parameter -I"$work/windows" -I"$headers" -fsyntax-only "$work/windows/$driver.c"
    done
    echo "$name: compiles"
}

# macOS has a bash without `wait -n`.
one_less() {
    if [ "${BASH_VERSINFO[0]}" -ge 5 ]; then wait -n || true; else wait; fi
}

# A step in the background, as many at a time as there are processors; what it prints comes out in order.
start() { # FUNCTION NAME ARGUMENTS...
    [[ "$2" == "${ONLY:-}"* ]] || return 0
    while [ "$(jobs -pr | wc -l)" -ge "$(getconf _NPROCESSORS_ONLN)" ]; do one_less; done
    order+=("$2")
    (set +e; (set -e; "$@") >"$work/$2.log" 2>&1; echo $? >"$work/$2.status") &
}

skip() { # NAME WHY
    [[ "$1" == "${ONLY:-}"* ]] || return 0
    echo "$1: skipped: $2"
    touch "$work/skipped"
}

have() { command -v "$1" >/dev/null; }

# The command that runs a program for another machine here: nothing, qemu, or "none".
runner_of() { # MACHINE COMPILER FLAGS...
    local machine=$1
    shift
    echo 'int main(void) { return 0; }' >"$work/probe.c"
    if ! "$@" -o "$work/probe.$machine" "$work/probe.c" 2>/dev/null; then echo none
    elif "$work/probe.$machine" 2>/dev/null; then echo ""
    elif have "qemu-$machine-static" && "qemu-$machine-static" "$work/probe.$machine"; then echo "qemu-$machine-static"
    elif have "qemu-$machine" && "qemu-$machine" "$work/probe.$machine"; then echo "qemu-$machine"
    else echo none
    fi
}

cross() { # NAME KERNELS MACHINE COMPILER FLAGS...
    local name=$1 kernels=$2 machine=$3 runner
    shift 3
    [[ "$name" == "${ONLY:-}"* ]] || return 0
    have "$1" || { skip "$name" "no $1"; return 0; }
    runner=$(runner_of "$machine" "$@")
    if [ "$runner" = none ]; then skip "$name" "$* cannot build for it, or nothing runs it"
    else start target "$name" "$kernels" "$runner" "$@"
    fi
}

machine=$("${compiler[@]}" -dumpmachine)
start target native "" "" "${compiler[@]}" "$optimize"
echo 'int main(void) { return 0; }' >"$work/probe.c"
if "${compiler[@]}" -fsanitize=address,undefined -o "$work/probe" "$work/probe.c" 2>/dev/null && "$work/probe" 2>/dev/null; then
    start target sanitized "" "" "${compiler[@]}" -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
else
    skip sanitized "${compiler[*]} cannot build or run with -fsanitize=address,undefined"
fi
for clang in clang clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 none; do ! have "$clang" || break; done
if [ "$clang" = none ]; then
    skip clang "no clang"
else
    [ -n "$quick" ] || start target clang "" "" "$clang" -O2
fi
if [ -z "$quick" ]; then
    start target native-scalar scalar "" "${compiler[@]}" -O2 -DCPU_SCALAR_ONLY
fi
i386=(i686-linux-gnu-gcc)
have i686-linux-gnu-gcc || i386=(gcc -m32)
[ -n "$quick" ] || cross i386 scalar i386 "${i386[@]}" -static -O2 -mno-sse2
cross i386-sse2 "scalar sse2" i386 "${i386[@]}" -static "$optimize" -msse2
cross aarch64 "scalar neon" aarch64 aarch64-linux-gnu-gcc -static "$optimize"
cross s390x scalar s390x s390x-linux-gnu-gcc -static "$optimize"

if [[ "$machine" == x86_64* ]]; then
    qemu=qemu-x86_64-static
    have $qemu || qemu=qemu-x86_64
    if have $qemu; then
        [ -n "$quick" ] || start target x86_64-v2 "scalar sse2" "$qemu -cpu Westmere" "${compiler[@]}" -static -O2
        [ -n "$quick" ] || start target x86_64-slow-pext "scalar sse2 avx2" "$qemu -cpu EPYC-Rome" "${compiler[@]}" -static -O2
        # qemu runs LZCNT there as BSR, as processors do
        start target x86_64-without-lzcnt "scalar sse2" "$qemu -cpu Haswell-noTSX,-abm" "${compiler[@]}" -static "$optimize"
    else
        skip x86_64-v2 "no qemu-x86_64"
        skip x86_64-slow-pext "no qemu-x86_64"
        skip x86_64-without-lzcnt "no qemu-x86_64"
    fi
fi

# ---- clang-cl -------------------------------------------------------------------------------------------------------

if [ "$clang" != none ]; then
    mkdir "$work/windows"
    cat >"$work/windows/string.h" <<'END'
#include <stddef.h>
void *memcpy(void *, const void *, size_t), *memset(void *, int, size_t), *memmove(void *, const void *, size_t);
int memcmp(const void *, const void *, size_t), strcmp(const char *, const char *);
void *memchr(const void *, int, size_t);
char *strchr(const char *, int);
END
    echo '#include <stddef.h>
void *malloc(size_t), *calloc(size_t, size_t), *realloc(void *, size_t), free(void *);' >"$work/windows/stdlib.h"
    printf '#include "%s"\n' kernels/scan.h framing/delimiters.h framing/lengths.h framing/line_ends.h text/words.h text/words_text.h >"$work/windows/scan.c"
    printf '#include "%s"\n' kernels/utf8.h channel/handoff.h >"$work/windows/utf8.c"
    printf '#include "%s"\n' bpe/build.h bpe/fragment.h bpe/ids.h bpe/stream.h >"$work/windows/bpe.c"
    start windows clang-cl-x64 x86_64-pc-windows-msvc
    start windows clang-cl-x64-avx2 x86_64-pc-windows-msvc -mavx2 -mbmi -mbmi2 -mlzcnt -mpopcnt
    start windows clang-cl-x86 i686-pc-windows-msvc
    start windows clang-cl-arm64 aarch64-pc-windows-msvc
else
    skip clang-cl "no clang"
fi

# ---- mutants --------------------------------------------------------------------------------------------------------

if [[ "$machine" == x86_64* || "$machine" == aarch64* || "$machine" == arm64* ]]; then
    start mutant mutant-words text/words.h 's/before = spaces >> 63;/before = 0;/' scan "" "${compiler[@]}" -O1
fi
if [[ -z "$quick" && ("$machine" == x86_64* || "$machine" == aarch64* || "$machine" == arm64*) ]]; then
    start mutant mutant-line-ends kernels/scan_body.h 's/(cr << 1) | before/(cr << 1)/' scan "" "${compiler[@]}" -O1
    start mutant mutant-scanner bpe/scan_body.h 's/certain = within >> 3/certain = within >> 1/' bpe "" "${compiler[@]}" -O1
fi
if [[ -z "$quick" && "$machine" == x86_64* ]]; then
    start mutant mutant-utf8 kernels/utf8_avx2.h 's/W_FILL(0xF0 - 0x80)/W_FILL(0xF1 - 0x80)/' utf8 "" "${compiler[@]}" -O1
    start mutant mutant-utf8-char kernels/utf8_char.h 's/lead == 0xF4 && p.i + 1. >= 0x90/lead == 0xF4 \&\& p[i + 1] >= 0xA0/' utf8 "" "${compiler[@]}" -O1
    start mutant mutant-merge bpe/merge.h 's/_mm_min_epi32(a, _mm_shuffle_epi32(a, 0xB1))/a/' bpe "" "${compiler[@]}" -O1
fi
if [[ "$machine" == x86_64* ]]; then
    start mutant mutant-osxsave kernels/cpu.h 's/ | UINT32_C(1) << 27 / /' scan "" "${compiler[@]}" -O1
    start mutant mutant-lzcnt kernels/cpu.h 's/if (!(extended\[2\] >> 5 & 1)) return 0;//' scan "" "${compiler[@]}" -O1
fi
if [ -n "$quick" ]; then
    :
elif have s390x-linux-gnu-gcc; then
    runner=$(runner_of s390x s390x-linux-gnu-gcc -static)
    if [ "$runner" = none ]; then skip mutant-byte-order "nothing runs s390x"
    else start mutant mutant-byte-order bpe/vocab.h 's/v = __builtin_bswap64(v);//' bpe "$runner" s390x-linux-gnu-gcc -static -O1
    fi
else
    skip mutant-byte-order "no s390x-linux-gnu-gcc"
fi

# ---- the end --------------------------------------------------------------------------------------------------------

wait
failed=0 ran=0 caught=0
for name in "${order[@]}"; do
    grep -v 'warning: TCG doesn.t support' "$work/$name.log" || true
    [ "$(cat "$work/$name.status")" = 0 ] || { echo "FAILED: $name"; failed=1; }
    case $name in mutant-*) caught=$((caught + 1)) ;; *) ran=$((ran + 1)) ;; esac
done
cat "$work"/*.digests 2>/dev/null | sort -u >"$work/all" || true
if [ "$(cut -d ' ' -f 1 "$work/all" | uniq -d)" != "" ]; then
    echo "FAILED: the references of two machines differ:"
    grep '' "$work"/*.digests
    failed=1
fi
if [ -n "${ALL:-}" ] && [ -e "$work/skipped" ]; then
    echo "FAILED: a target was skipped"
    failed=1
fi
[ "$failed" = 0 ] || exit 1
if [ "$caught" = 0 ]; then echo "kernels: $ran targets, all equal; no mutant was asked for"
else echo "kernels: $ran targets, all equal, and every mutant is caught ($caught)"
fi
