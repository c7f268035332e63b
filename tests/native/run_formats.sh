#!/usr/bin/env bash
# Mutants of the headers of formats and text: with one line changed, the tests that stand beside it here must fail, and
# with none changed they pass. Whatever is compared with an oracle or with the twin, would notice.
#
#   run_formats.sh              all of them, some minutes
#   ONLY=lengths run_formats.sh only headers whose name begins so
#
# Needs a checkout whose extensions are built, with their C, and PYTHON (python3) with pytest and hypothesis. Exit status 77:
# no compiler, or no C.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-python3}
read -ra compiler <<<"${CC:-cc}"
command -v "${compiler[0]}" >/dev/null || { echo "skipped: no ${compiler[0]} here"; exit 77; }
[ -e "$root/streamcore/_native/text/marked.c" ] || { echo "skipped: the extensions are not built"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -a "$root/streamcore" "$root/tests" "$root/pyproject.toml" "$work"
cd "$work"
suffix=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
export PYTHONPATH=$work STREAMCORE_BACKEND=native STREAMCORE_TEST_REQUIRE_NATIVE=1

# header, the modules made of it, tests
headers() {
    cat <<'TABLE'
framing/lengths.h|framing/length_prefixed|tests/framing/test_length_prefixed.py
framing/chunks.h|framing/content_defined|tests/framing/test_content_defined.py
text/markers.h|text/marked text/sections text/stop|tests/text/test_sections_properties.py
text/json_text.h|text/json_deltas|tests/text/test_json_deltas_properties.py tests/text/test_json_deltas.py
text/splitter.h|text/splitter|tests/text/test_splitter_properties.py
bpe/counting.h|bpe/counting|tests/text/test_splitter_properties.py
TABLE
}

# header, the change
mutants() {
    cat <<'TABLE'
framing/lengths.h|s/i == 9 && byte > 1/i == 9 \&\& byte > 3/
framing/lengths.h|s/<< (7 \* i)/<< (8 * i)/
framing/lengths.h|s/value < (uint64_t)-f->adjust/value <= (uint64_t)-f->adjust/
framing/lengths.h|s/value = value << 8 | p\[i\]/value = value << 8 | p[width - 1 - i]/
framing/lengths.h|s/if (i \&\& value == 0) return SC_LENGTH_ZERO;//
framing/lengths.h|s/byte != ':' || i == 0/byte != ':'/
framing/lengths.h|s/else if (i == 19) out->last/else if (i <= 20) out->last/
framing/lengths.h|s/out->used = i + 1;/out->used = i;/
framing/chunks.h|s/if (!(second \& mask)) return i + 1;//
framing/chunks.h|s/if (!(third \& wide)) return i + 2;/if (!(third \& mask)) return i + 2;/
framing/chunks.h|s/p\[i\] > most ? p\[i\] : most/p[i] >= most ? most : p[i]/
framing/chunks.h|s/if (p\[i\] >= least) return i;/if (p[i] > least) return i;/
framing/chunks.h|s/(\*state << 1) + t->gear/(*state << 1) ^ t->gear/
text/markers.h|s/at = m->shorter\[at\];/at = 0;/
text/markers.h|s/begins < start || (m->longest/begins > start || (m->longest/
text/markers.h|s/ || m->first_edge\[at\] == m->first_edge\[at + 1\]//
text/markers.h|s/run->held\[run->held_size + i\]/run->held[0]/
text/markers.h|s/(ptrdiff_t)(size - 1);$/(ptrdiff_t)0;/
text/markers.h|s/run->match = m->match\[at\];/run->match = 0;/
text/json_text.h|s/if (at == JSON_ZERO)$/if (0)/
text/json_text.h|s/at == JSON_ZERO || at == JSON_INT ? JSON_POINT/at == JSON_INT ? JSON_POINT/
text/json_text.h|s/return at == JSON_E ? JSON_SIGN : 0;/return at >= JSON_E ? JSON_SIGN : 0;/
text/json_text.h|s/c - 'a' < 6 ?/c - 'a' < 7 ?/
text/json_text.h|s/case 'f': return '.f';/case 'f': return 'f';/
text/json_text.h|s/const int control = strict ? 32 : 0;/const int control = strict ? 31 : 0;/
text/json_text.h|s/ | (p\[i + k\] == '..')//
text/splitter.h|s/if (stop <= limit) {/if (stop < limit) {/
text/splitter.h|s/st->count + more > o->size/st->count + more >= o->size/
text/splitter.h|s/\*fits = n <= o->size;/*fits = n < o->size;/
text/splitter.h|s/c == 0x85 || c == 0xA0/c == 0xA0/
bpe/counting.h|s/c->start != start || c->stop > stop/c->start != start/
bpe/counting.h|s/u = 0xFFFD;/u = 0xFFFC;/
bpe/counting.h|s/c->size, final, c->ids/c->size, 1, c->ids/
bpe/counting.h|s/(u < 0xDC00 \&\& low - 0xDC00 < 0x400)/(0)/
TABLE
}

build() { # MODULES...
    local module
    for module; do
        "${compiler[@]}" -O1 -w -shared -fPIC -I"$include" -Istreamcore/_native \
            -o "streamcore/_native/$module$suffix" "streamcore/_native/$module.c"
    done
}

tests() { # FILES...
    "$python" -m pytest -q -x -p no:cacheprovider "$@" >"$work/log" 2>&1 </dev/null
}

failed=0 caught=0
while IFS='|' read -r header modules files; do
    [[ "${header#*/}" == "${ONLY:-}"* ]] || continue
    # shellcheck disable=SC2086 # lists
    build $modules
    # shellcheck disable=SC2086
    tests $files || { tail -n 20 "$work/log"; echo "FAILED: $files, with nothing changed"; exit 1; }
    while IFS='|' read -r place change; do
        [ "$place" = "$header" ] || continue
        sed -i.before -e "$change" "streamcore/_native/$header"
        if cmp -s "streamcore/_native/$header" "streamcore/_native/$header.before"; then
            echo "FAILED: '$change' does not fit $header any more"
            failed=1
        else
            status=0
            # shellcheck disable=SC2086
            build $modules && { tests $files || status=$?; }
            if [ "$status" = 1 ] || [ "$status" -gt 128 ]; then
                caught=$((caught + 1))
                echo "$header: '$change' is caught: $(grep -m 1 -E '^(FAILED|E  )' "$work/log" | cut -c 1-110)"
            else
                tail -n 3 "$work/log"
                echo "FAILED: $header: '$change' is not caught (status $status)"
                failed=1
            fi
        fi
        mv "streamcore/_native/$header.before" "streamcore/_native/$header"
    done < <(mutants)
    # shellcheck disable=SC2086
    build $modules # without the last change: the tests of other headers use these modules, too
done < <(headers)
[ "$failed" = 0 ] || exit 1
echo "formats: every mutant is caught ($caught)"
