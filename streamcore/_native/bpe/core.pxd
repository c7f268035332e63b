# cython: language_level=3, freethreading_compatible=True
"""The C side of the BPE core, and the class that other native modules build on."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t


from streamcore._native.bpe.special_tokens cimport SpecialTokens, bpe_names

cdef extern from "bpe/vocab.h" nogil:
    enum: BPE_MAX_TOKENS
    enum: BPE_OK
    enum: BPE_NO_MEMORY
    enum: BPE_TOO_LARGE

    ctypedef struct bpe_vocab:
        uint32_t count
        uint32_t max_len
        uint32_t *ids
        uint32_t *starts
        uint8_t *bytes
        uint32_t unreachable
        int monotone
        int whole_pieces

    void bpe_vocab_free(bpe_vocab *v)


cdef extern from "bpe/build.h" nogil:
    ctypedef struct bpe_merges:
        const uint32_t *left
        const uint32_t *right
        const uint32_t *made
        uint32_t count

    int bpe_vocab_build(bpe_vocab *v, const bpe_merges *merges)


cdef extern from "bpe/text.h" nogil:
    enum: BPE_GPT2
    enum: BPE_CL100K
    enum: BPE_O200K
    enum: BPE_WHOLE

    ctypedef struct bpe_spec:
        uint8_t family
        uint8_t digits
        uint8_t trailing

    ctypedef struct bpe_context:
        bpe_context *next
        size_t bytes

    ctypedef struct bpe_output:
        uint32_t *ids
        size_t count
        size_t room
        int own

    enum: BPE_SLACK

    ctypedef struct bpe_decoder:
        uint32_t *starts
        uint8_t *bytes
        uint32_t size

    bpe_context *bpe_context_new(const bpe_vocab *v, size_t cache_bytes)
    void bpe_context_free(bpe_context *c)
    size_t bpe_scan_one(const bpe_spec *spec, const uint8_t *text, size_t p, size_t n, int final)
    int bpe_scan_many(const bpe_spec *spec, const uint8_t *text, size_t *at, size_t n, int final,
                      size_t *ends, int most)
    int bpe_choose_scanner(const char *name)
    int bpe_encode(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, const uint8_t *text, size_t *pos, size_t n,
                   int final, uint32_t *out, size_t room, size_t *count, size_t *need)
    size_t bpe_encode_cached(const bpe_vocab *v, bpe_context *c, const uint8_t *p, size_t n, uint32_t *out)
    int bpe_output_reserve(bpe_output *o, size_t more)
    void bpe_output_free(bpe_output *o)
    size_t bpe_names_find(const bpe_names *names, const uint8_t *text, size_t start, size_t n, uint32_t *which)
    int bpe_encode_text(const bpe_vocab *v, const bpe_spec *spec, bpe_context *c, const bpe_names *names,
                        const uint8_t *text, size_t *pos, size_t n, size_t most, bpe_output *o)
    uint32_t bpe_token_len(const bpe_vocab *v, uint32_t t)
    size_t bpe_decoded_size(const bpe_decoder *d, const uint32_t *ids, size_t n, size_t *bad)
    void bpe_decode(const bpe_decoder *d, const uint32_t *ids, size_t n, uint8_t *out)
    void bpe_offsets(const bpe_decoder *d, const uint32_t *ids, size_t n, const uint8_t *text, int64_t *starts,
                     int64_t *chars)


cdef extern from "bpe/symbols.h" nogil:
    ctypedef struct bpe_expander:
        uint32_t base
        uint32_t count
        const uint32_t *starts
        const uint32_t *ids
        int fuse

    int bpe_expand(const bpe_expander *e, bpe_output *o, size_t start, int *unknown)


cdef class BPECore:
    cdef bpe_vocab vocab
    cdef bpe_expander expander
    cdef readonly object _plan  # how a vocabulary of characters is encoded; None for one of bytes
    cdef tuple expansions     # what the expander reads
    cdef dict given           # the ranks of such a one
    cdef bpe_decoder decoder
    cdef bpe_spec spec
    cdef bint begun           # whether it is, or is being, initialized
    cdef bint ready           # whether that is done: its tables are there
    cdef bint known           # whether the scanner knows the pattern
    cdef bint plain           # whether all is done without Python: known, not normalized, no flags of tokens
    cdef bint keeps_ascii     # whether the normalization leaves text of ASCII alone
    cdef bpe_context *idle    # contexts that no call uses now
    cdef readonly object _split, _family, _normalizer, tokens
    cdef readonly object _added       # the same where they are not simply looked for, else None
    cdef object sparse, _n_vocab, _made_ranks, _made_neighbours, _made_texts, _made_hidden
    cdef object texts         # what the streams of ids of this vocabulary share (decoder.pyx)
    cdef dict _names
    cdef SpecialTokens _every         # all special tokens that are not looked for anyway
    cdef SpecialTokens _always        # those that are, or None
    cdef frozenset _raising           # the names of _every
    cdef frozenset _special   # their texts
    cdef readonly dict special_tokens, token_flags
    cdef readonly object pattern, merges, whole_pieces, normalization, cache_bytes, template, decoding, symbols
    cdef bpe_context *take_context(self) except NULL
    cdef int give_context(self, bpe_context *context) except -1
    cdef int encode_span(self, bpe_context *context, const bpe_names *names, const uint8_t *data, size_t n,
                         bpe_output *o) noexcept nogil
    cdef int encode_data(self, bpe_context *context, SpecialTokens names, const uint8_t *data, size_t n, size_t most,
                         bpe_output *o) except -1
    cdef bint encodes_by_text(self, SpecialTokens names, const uint8_t *data, size_t n)
    cdef int encode_text_by_text(self, bpe_context *context, SpecialTokens names, const uint8_t *data, size_t n,
                                 bpe_output *o) except -1
    cdef int append_id(self, uint32_t number, bpe_output *o) except -1
    cdef int encode_normal(self, bpe_context *context, str text, bint first, bpe_output *o) except -1
    cdef SpecialTokens names_of(self, object texts)
    cdef SpecialTokens allowed(self, const uint8_t *data, size_t n, object allowed_special, object disallowed_special)
    cdef int _initialize(self, ranks, pattern, special_tokens, merges, whole_pieces, normalization,
                         cache_bytes, template, token_flags) except -1
    cdef int _free(self) noexcept
    cdef int _build(self, dict ranks, object merge_list) except -1
    cdef int _plan_symbols(self, plan) except -1
    cdef int encode_symbols(self, bpe_context *context, object piece, bpe_output *o) except -1
    cdef int _build_decoder(self, dict bytes_of) except -1
    cdef object encode_to(self, object text, object errors, bint ordinary, object allowed_special,
                          object disallowed_special, bint as_list)
    cdef object count_to(self, object text, object limit, object allowed_special, object disallowed_special,
                         object errors)
    cdef bytes bytes_of(self, list numbers)
    cdef bytes quick_bytes(self, object ids)
    cdef bytes token(self, number)


cdef int check_memory(int error) except -1
cdef object borrow(object text, object errors, const uint8_t **data, size_t *n)
cdef object take_array(bpe_output *o)
cdef list take_list(bpe_output *o)
