# cython: language_level=3, freethreading_compatible=True
"""Byte-pair encoding with the ids of tiktoken or of a tokenizer.json (twin: ``_pure.bpe.core``).

Goals: exact for every input, linear in its length, no allocation a piece, no Python object a token.
Plan: scan.h finds the pieces, encode.h looks them up in batches and makes the ids of those it does not know
from the tables of vocab.h, which build.h makes once. What one call writes to is a context; it is taken from a
list at the start of a call and given back at its end, so threads never share one.
"""

from array import array
from itertools import chain, filterfalse
from operator import itemgetter

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_New, PyList_SET_ITEM
from cpython.mem cimport PyMem_RawCalloc, PyMem_RawFree, PyMem_RawMalloc
from cpython.ref cimport Py_INCREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_Check
from libc.string cimport memcpy, memset

from streamcore._native.bpe.id_arrays cimport adopt_ids, new_ids
from streamcore._native.bpe.special_tokens cimport SpecialTokens, bpe_names
from streamcore._native.bpe.id_bytes cimport SMALL as SMALL_BYTES, Output, begin_output, copy_tokens, free_output
from streamcore._native.kernels.scan cimport demanded_kernel

from streamcore._shared.options import DEFAULT_CACHE_BYTES
from streamcore._shared.token_offsets import TokenOffsets
from streamcore._shared.options import count_option, size_option
from streamcore._shared.text_decoders import TextDecoding, checked_decoding
from streamcore._shared.text_input import (
    as_bytes,
    as_text,
    check_errors,
    ends_between_characters,
)
from streamcore._shared.vocabulary import checked_merges, checked_vocabulary
from streamcore._shared.special_tokens import is_all, raise_disallowed, special_names
from streamcore._shared.merging import Merges
from streamcore._shared.added_tokens import AddedTokens, checked_flags
from streamcore._shared.normalizers import Normalizer, checked_normalization, keeps_ascii
from streamcore._shared.prefix_encodings import Neighbours
from streamcore._shared.split_steps import check_keeps_text, checked_pattern, family_of, pieces_of
from streamcore._shared.symbols import END, check_of_bytes, checked_symbols, planned, spaced
from streamcore._shared.template import checked_template, framed, framed_many
from streamcore._shared.token_ids import id_list, join_tokens, unknown_id


cdef extern from "kernels/utf8_char.h" nogil:
    size_t utf8_valid(const uint8_t *p, size_t n)


bpe_choose_scanner(demanded_kernel())

FAMILIES = {"r50k": BPE_GPT2, "cl100k": BPE_CL100K, "o200k": BPE_O200K, "whole": BPE_WHOLE}

cdef enum:
    SMALL = 1000        # bytes of text whose ids are made on the stack
    COPIED = 16384      # ids that are copied into an array; more are handed over as they lie
    RELEASE = 16384     # bytes of text from which on the GIL is released
    MOST_CACHE = 1 << 30  # bytes of a cache that have a use

cdef str REPLACE = "replace"
cdef object EMPTY = frozenset()
cdef str ALL = "all"


cdef object take_array(bpe_output *o):
    """The ids of ``o`` as an array; large ones are not copied."""
    if o.count <= COPIED or not o.own:
        return new_ids(o.ids, o.count)
    o.own = 0
    return adopt_ids(o.ids, o.count)


cdef list take_list(bpe_output *o):
    cdef list ids = PyList_New(o.count)
    cdef size_t i
    for i in range(o.count):
        number = <object>o.ids[i]
        Py_INCREF(number)
        PyList_SET_ITEM(ids, i, number)
    return ids


cdef object borrow(object text, object errors, const uint8_t **data, size_t *n):
    """What owns the UTF-8 of ``text`` that ``data`` and ``n`` are set to."""
    cdef Py_ssize_t size = 0
    if errors is not REPLACE:
        errors = check_errors(errors)
    if PyBytes_CheckExact(text):
        data[0] = <const uint8_t *>PyBytes_AS_STRING(text)
        n[0] = PyBytes_GET_SIZE(text)
        if utf8_valid(data[0], n[0]) == n[0]:
            return text
    if not PyUnicode_Check(text):
        text = as_text(text, errors)
    try:  # of a subclass of str this is what it really holds
        data[0] = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
    except UnicodeEncodeError:
        text = as_text(text, errors)
        data[0] = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &size)
    n[0] = size
    return text


def packed(column):
    """Numbers as the bytes of uint32 in the machine's order."""
    return array("I", column).tobytes()


cdef int check_memory(int error) except -1:
    if error == BPE_TOO_LARGE:
        raise ValueError("vocabulary is too large: its tokens have more than 4 million different prefixes")
    if error != BPE_OK:
        raise MemoryError
    return 0


cdef class BPECore:
    """BPECore(ranks, pattern, special_tokens=None, *, merges=None, whole_pieces=True, normalization=None, \
cache_bytes=33554432, template=None, decoding=None, token_flags=None, \
symbols=None)\n--\n\n\
A byte-pair tokenizer: text to ids and back.

    ``ranks`` maps each token's bytes to its id, ``pattern`` is the tiktoken regular expression that splits text into
    pieces (or a sequence of splits, each ``(pattern, behavior, inverted, prefix)``, applied one after the other),
    ``special_tokens`` maps names to ids. Two tokens merge if their concatenation is a token, the lowest id
    first; with ``merges``, pairs of tokens merge in the order of that sequence and no others. With ``whole_pieces`` (as
    in tiktoken) a piece that is a token is that token, whatever the merges. ``normalization`` is
    None, the name of a normalizer such as ``"NFC"``, or a sequence of them (see docs/tokens.md).
    ``token_flags`` maps special tokens to what they are found by, of ``lstrip``, ``rstrip``, ``single_word``,
    ``normalized``, and ``always`` (whatever ``allowed_special`` says).
    ``template`` are the ids that ``add_special_tokens`` puts before a text, and those after it. ``decoding`` says how
    ids become text, where that is not the bytes of their tokens (``Decoding``). With
    ``symbols``, ``merges`` begin with characters, and not every byte is a token (``Symbols``).
    ``cache_bytes`` bounds the memory that remembers pieces, for each call that encodes at the same time; 0 turns it
    off. A call takes a cache and gives it back, so there are as many as calls that ever ran at once: at most the number
    of threads. They live as long as the object, and none takes more than 1 GiB.

    Text is ``str`` or any bytes-like object of UTF-8, whose invalid parts are treated as ``errors`` says (``"strict"``
    raises ``InvalidEncoding``). In ``str``, pairs of surrogates are joined and lone ones become U+FFFD.
    """

    def __cinit__(self, *args, **kwargs):
        self.idle = NULL

    def __init__(self, ranks, pattern, special_tokens=None, *, merges=None, whole_pieces=True, normalization=None,
                 cache_bytes=DEFAULT_CACHE_BYTES, template=None, decoding=None, token_flags=None,
                 symbols=None):
        if self.begun:  # also by a mapping of the caller's, from within
            raise RuntimeError("a BPECore is initialized once")
        self.begun = True
        try:
            self.decoding = checked_decoding(decoding)
            self.symbols = checked_symbols(symbols)
            self._initialize(ranks, pattern, special_tokens, merges, whole_pieces, normalization, cache_bytes,
                             template, token_flags)
        except BaseException:
            if not self.ready:
                self._free()
                self.begun = False
            raise

    cdef int _initialize(self, ranks, pattern, special_tokens, merges, whole_pieces, normalization,
                         cache_bytes, template, token_flags) except -1:
        cdef dict bytes_of, own_ranks
        pattern = checked_pattern(pattern)
        normalization = checked_normalization(normalization)
        self.cache_bytes = count_option("cache_bytes", cache_bytes)
        own_ranks, self.special_tokens, bytes_of = checked_vocabulary(ranks, special_tokens, self.symbols is None)
        self.pattern = pattern
        prefix = b"" if self.symbols is None else self.symbols.prefix
        merges = self.merges = None if merges is None else checked_merges(merges, own_ranks, prefix)
        self.whole_pieces = bool(whole_pieces)
        self._plan = None
        if self.symbols is not None:
            self.given = own_ranks
            plan = planned(own_ranks, merges or [], self.symbols, self.whole_pieces, max(bytes_of) + 1)
            own_ranks, merges = plan.ranks, plan.merges
            self._plan_symbols(plan)
        self.normalization = normalization
        self._normalizer = None if normalization is None else Normalizer(normalization)
        self.keeps_ascii = keeps_ascii(normalization)
        self.token_flags = checked_flags(token_flags, self.special_tokens)
        self.tokens = AddedTokens(self.special_tokens, self.token_flags, self._normalizer)
        self._added = None if self.tokens.plain else self.tokens
        for name, data in self.tokens.bytes_of().items():
            bytes_of[self.special_tokens[name]] = data
        family = family_of(pattern)
        if self._plan is not None and not self._plan.scans(family):
            family = None
        self._family = family
        self._split = pieces_of(pattern)
        self._names = {}
        self._special = frozenset(self.special_tokens)
        self._raising = self._special.difference(self.tokens.always)
        self._every = SpecialTokens(self._raising, self.special_tokens)
        self._always = self.names_of(self.tokens.always) if self.tokens.always else None
        if family is not None:
            self.known = True
            self.plain = normalization is None and self._added is None and self._plan is None
            self.spec.family = FAMILIES[family.name]
            self.spec.digits = family.digits
            self.spec.trailing = family.tail_run
        self._build(own_ranks, merges)
        self._build_decoder(bytes_of)
        self.template = checked_template(template, bytes_of)
        self.ready = True
        self.give_context(self.take_context())  # the cache is made and seeded here, not in the first call
        return 0

    cdef int _plan_symbols(self, plan) except -1:
        self._plan = plan
        if plan.expander is None:
            return 0
        starts = [0]
        for ids in plan.expander.expansions:
            starts.append(starts[len(starts) - 1] + len(ids))
        self.expansions = packed(starts), packed(chain.from_iterable(plan.expander.expansions))
        self.expander.base = plan.expander.base
        self.expander.count = len(plan.expander.expansions)
        self.expander.starts = <const uint32_t *>PyBytes_AS_STRING(<bytes>self.expansions[0])
        self.expander.ids = <const uint32_t *>PyBytes_AS_STRING(<bytes>self.expansions[1])
        self.expander.fuse = plan.expander.fuse
        return 0

    cdef int _build(self, dict ranks, object merge_list) except -1:
        cdef bpe_vocab vocab
        cdef bpe_merges merges
        cdef uint32_t i, at = 0
        cdef int error
        items = sorted(ranks.items(), key=by_id)
        if len(items) > BPE_MAX_TOKENS:
            raise ValueError(f"vocabulary is too large: {len(items)} tokens, at most {BPE_MAX_TOKENS}")
        blob = b"".join(map(itemgetter(0), items))
        if len(blob) >= 0xFFFFFFFF:
            raise ValueError(f"vocabulary is too large: {len(blob)} bytes, at most {0xFFFFFFFE}")
        triples = None
        if merge_list is not None:
            triples = merge_columns(merge_list, {item[0]: i for i, item in enumerate(items)})
        vocab = self.vocab
        vocab.whole_pieces = self.whole_pieces
        vocab.ids = <uint32_t *>PyMem_RawMalloc(len(items) * sizeof(uint32_t))
        vocab.starts = <uint32_t *>PyMem_RawMalloc((len(items) + 1) * sizeof(uint32_t))
        vocab.bytes = <uint8_t *>PyMem_RawMalloc(len(blob))
        self.vocab = vocab  # freed with the object from here on
        if vocab.ids == NULL or vocab.starts == NULL or vocab.bytes == NULL:
            raise MemoryError
        memcpy(vocab.bytes, PyBytes_AS_STRING(blob), len(blob))
        for i in range(<uint32_t>len(items)):
            token, number = items[i]
            vocab.ids[i] = number
            vocab.starts[i] = at
            at += <uint32_t>len(token)
        vocab.starts[<uint32_t>len(items)] = at
        self.vocab.count = <uint32_t>len(items)
        if triples is None:
            with nogil:
                error = bpe_vocab_build(&self.vocab, NULL)
        else:
            left, right, made = map(packed, triples)
            merges.left = <const uint32_t *>PyBytes_AS_STRING(left)
            merges.right = <const uint32_t *>PyBytes_AS_STRING(right)
            merges.made = <const uint32_t *>PyBytes_AS_STRING(made)
            merges.count = <uint32_t>len(triples[0])
            with nogil:
                error = bpe_vocab_build(&self.vocab, &merges)
        return check_memory(error)

    cdef int _build_decoder(self, dict bytes_of) except -1:
        """A table by id, unless the ids are so far apart that it would mostly be holes."""
        cdef uint32_t number, at = 0, size
        self._n_vocab = max(bytes_of) + 1
        self.sparse = None
        if self._n_vocab > 4 * len(bytes_of) + (1 << 20):
            self.sparse = bytes_of
            return 0
        size = self._n_vocab
        blob = b"".join(map(bytes_of.__getitem__, sorted(bytes_of)))
        if len(blob) >= 0xFFFFFFFF:
            raise ValueError(f"vocabulary is too large: {len(blob)} bytes, at most {0xFFFFFFFE}")
        self.decoder.bytes = <uint8_t *>PyMem_RawCalloc(len(blob) + BPE_SLACK, 1)
        self.decoder.starts = <uint32_t *>PyMem_RawMalloc((<size_t>size + 1) * sizeof(uint32_t))
        if self.decoder.bytes == NULL or self.decoder.starts == NULL:
            raise MemoryError
        memcpy(self.decoder.bytes, PyBytes_AS_STRING(blob), len(blob))
        for number in range(size):
            self.decoder.starts[number] = at
            token = bytes_of.get(number)
            if token is not None:
                at += <uint32_t>len(token)
        self.decoder.starts[size] = at
        self.decoder.size = size
        return 0

    def __dealloc__(self):
        self._free()

    cdef int _free(self) noexcept:
        cdef bpe_context *context
        while self.idle != NULL:
            context = self.idle
            self.idle = context.next
            bpe_context_free(context)
        bpe_vocab_free(&self.vocab)
        PyMem_RawFree(self.decoder.starts)
        PyMem_RawFree(self.decoder.bytes)
        memset(&self.vocab, 0, sizeof(self.vocab))
        memset(&self.decoder, 0, sizeof(self.decoder))
        return 0

    def __reduce__(self):
        options = {
            "merges": self.merges,
            "whole_pieces": self.whole_pieces,
            "normalization": self.normalization,
            "cache_bytes": self.cache_bytes,
            "template": self.template,
            "decoding": self.decoding,
            "token_flags": self.token_flags,
            "symbols": self.symbols,
        }
        return _restore, (type(self), self.ranks, self.pattern, self.special_tokens, options)

    @property
    def ranks(self):
        """A copy of the ordinary tokens: bytes to id."""
        cdef uint32_t i
        cdef const bpe_vocab *v = &self.vocab
        if self.given is not None:
            return dict(self.given)
        ranks = {
            v.bytes[v.starts[i]:v.starts[i] + bpe_token_len(v, i)]: v.ids[i] for i in range(v.count)
        }
        return dict(sorted(ranks.items(), key=by_id)) if self.merges is not None else ranks

    # What the streaming engines of _pure ask of a core, made when it is first asked for.

    @property
    def _ranks(self):
        if self._made_ranks is None:
            self._made_ranks = self.ranks
        return self._made_ranks

    @property
    def _bytes_of(self):
        if not self.ready:
            raise RuntimeError("BPECore is not initialized")
        if self.sparse is None:
            tokens = ((number, self.token(number)) for number in range(self.decoder.size))
            self.sparse = {number: token for number, token in tokens if token is not None}
        return self.sparse

    @property
    def _neighbours(self):
        if self._made_neighbours is None:
            pairs = None
            if self.merges is not None:
                pairs = {(left, right): i for i, (left, right) in enumerate(self.merges)}
            self._made_neighbours = Neighbours(Merges(self._ranks, pairs))
        return self._made_neighbours

    @property
    def _cache(self):
        return PieceLookup(self)

    @property
    def _texts(self):
        """What makes text of ids; None where it is the bytes of their tokens."""
        if self.decoding.steps is not None and self._made_texts is None:
            self._made_texts = TextDecoding(self.decoding, self._bytes_of, self.special_tokens.values())
        return self._made_texts

    @property
    def _hidden(self):
        """The ids that ``skip_special_tokens`` leaves out."""
        if self._made_hidden is None:
            self._made_hidden = frozenset(self.special_tokens.values()).difference(self.decoding.plain)
        return self._made_hidden

    def _expand(self, ids, bint unknown):
        """Arrays of ids of a part of a piece by the vocabulary of bytes, as those of the model (see ``Expander``)."""
        cdef bpe_output o
        cdef int before = unknown
        cdef const uint32_t[::1] view
        out = []
        for array_ in ids:
            view = array_
            o.ids, o.room, o.count, o.own = NULL, 0, 0, 1
            try:
                check_memory(bpe_output_reserve(&o, view.shape[0] + 4))
                memcpy(o.ids, &view[0], view.shape[0] * sizeof(uint32_t))
                o.count = view.shape[0]
                check_memory(bpe_expand(&self.expander, &o, 0, &before))
                if o.count:
                    out.append(take_array(&o))
            finally:
                bpe_output_free(&o)
        return out, before != 0

    @property
    def n_vocab(self):
        """One more than the highest id."""
        return self._n_vocab

    @property
    def max_token_length(self):
        """Length of the longest ordinary token, in bytes."""
        return self.vocab.max_len

    cdef bpe_context *take_context(self) except NULL:
        """A context for this call alone."""
        cdef bpe_context *context
        cdef size_t cache_bytes
        if not self.ready:
            raise RuntimeError("BPECore is not initialized")
        with cython.critical_section(self):
            context = self.idle
            if context != NULL:
                self.idle = context.next
        if context == NULL:
            cache_bytes = min(self.cache_bytes, MOST_CACHE)
            with nogil:
                context = bpe_context_new(&self.vocab, cache_bytes)
            if context == NULL:
                raise MemoryError
        return context

    cdef int give_context(self, bpe_context *context) except -1:
        with cython.critical_section(self):
            context.next = self.idle
            self.idle = context
        return 0

    cdef SpecialTokens names_of(self, object texts):
        """The finder of a frozenset of special tokens; the last few are kept."""
        found = self._names.get(texts)
        if found is None:
            if len(self._names) >= 64:
                self._names.clear()
            found = self._names[texts] = SpecialTokens(texts, self.special_tokens)
            if self._added is not None:
                (<SpecialTokens>found).matcher = self._added.matcher(texts & self._special)
        return found

    cdef SpecialTokens allowed(self, const uint8_t *data, size_t n, object allowed_special, object disallowed_special):
        """The special tokens to look for (None for none); raises for one in the text that is disallowed."""
        cdef uint32_t which = 0
        cdef size_t at
        cdef SpecialTokens names
        names = self._every
        if names is not None and disallowed_special is ALL and (
            allowed_special is EMPTY or (type(allowed_special) is frozenset and not allowed_special)
        ):  # the defaults
            at = bpe_names_find(&names.names, data, 0, n, &which)
            if at < n:
                raise_disallowed(names.texts[which], len(data[:at].decode()))
            if self._added is not None:
                self._added.check(data[:n].decode(), self.tokens.always, self._raising)
            return self._always
        if allowed_special is EMPTY and type(disallowed_special) is tuple and not disallowed_special:
            return self._always
        allowed, disallowed = special_names(self._special, self.tokens.always, allowed_special, disallowed_special)
        if disallowed:
            if "" in disallowed:
                raise_disallowed("", 0)
            names = self.names_of(disallowed)
            at = bpe_names_find(&names.names, data, 0, n, &which)
            if at < n:
                raise_disallowed(names.texts[which], len(data[:at].decode()))
            if self._added is not None:
                self._added.check(data[:n].decode(), allowed, disallowed)
        return self.names_of(allowed) if allowed else None

    cdef int encode_span(self, bpe_context *context, const bpe_names *names, const uint8_t *data, size_t n,
                         bpe_output *o) noexcept nogil:
        """Append the ids of the UTF-8 at ``data``; for known patterns without normalization. An error of C."""
        cdef size_t pos = 0
        return bpe_encode_text(&self.vocab, &self.spec, context, names, data, &pos, n, 0, o)

    cdef int encode_data(self, bpe_context *context, SpecialTokens names, const uint8_t *data, size_t n, size_t most,
                         bpe_output *o) except -1:
        """Append the ids of the UTF-8 at ``data``; with ``most`` > 0 it may stop once there are more than that."""
        cdef const bpe_names *found = &names.names if names is not None else NULL
        cdef size_t pos = 0
        cdef int error
        if not self.plain and self.encodes_by_text(names, data, n):
            return self.encode_text_by_text(context, names, data, n, o)
        if n < RELEASE:
            error = bpe_encode_text(&self.vocab, &self.spec, context, found, data, &pos, n, most, o)
        else:
            with nogil:
                error = bpe_encode_text(&self.vocab, &self.spec, context, found, data, &pos, n, most, o)
        return check_memory(error)

    cdef bint encodes_by_text(self, SpecialTokens names, const uint8_t *data, size_t n):
        """Whether Python has a part in it: normalization, a pattern that the regex module runs, flags of tokens."""
        cdef uint32_t which = 0
        if not self.known or self._plan is not None:
            return True
        if self.normalization is not None and not (self._added is None and self.keeps_ascii and is_ascii(data, n)):
            return True
        if self._added is None or names is None:
            return False
        return bpe_names_find(&names.names, data, 0, n, &which) < n

    cdef int encode_text_by_text(self, bpe_context *context, SpecialTokens names, const uint8_t *data, size_t n,
                                 bpe_output *o) except -1:
        """The same where Python has a part in it."""
        cdef size_t pos = 0, stop
        cdef uint32_t which = 0
        cdef const bpe_names *found = &names.names if names is not None else NULL
        if names is not None and names.matcher is not None:
            first = True
            for text, name in names.matcher.spans(data[:n].decode()):
                self.encode_normal(context, text, first, o)
                first = False
                if name is not None:
                    self.append_id(self.special_tokens[name], o)
            return 0
        while pos < n:
            stop = bpe_names_find(found, data, pos, n, &which) if found != NULL else n
            text = data[pos:stop].decode()
            if self._normalizer is not None:
                text = self._normalizer(text)
            self.encode_normal(context, text, pos == 0, o)
            pos = stop
            if stop < n:
                self.append_id(found.ids[which], o)
                pos += found.starts[which + 1] - found.starts[which]
        return 0

    cdef int append_id(self, uint32_t number, bpe_output *o) except -1:
        check_memory(bpe_output_reserve(o, 1))
        o.ids[o.count] = number
        o.count += 1
        return 0

    cdef int encode_normal(self, bpe_context *context, str text, bint first, bpe_output *o) except -1:
        """Append the ids of a text that is normalized and has no tokens to look for, the ``first`` or a later one."""
        cdef size_t made, begin = 0
        cdef const uint8_t *part
        cdef Py_ssize_t length = 0
        cdef int error, unknown = 0
        if self._plan is not None:
            text = spaced(text, self.symbols.space, first)
        if self.known:
            part = <const uint8_t *>PyUnicode_AsUTF8AndSize(text, &length)
            made = o.count
            with nogil:
                error = bpe_encode_text(&self.vocab, &self.spec, context, NULL, part, &begin, length, 0, o)
                if error == 0 and self.expander.count:
                    error = bpe_expand(&self.expander, o, made, &unknown)
            return check_memory(error)
        for pieces in self._split(text):
            for piece in pieces:
                if self._plan is not None:
                    self.encode_symbols(context, piece, o)
                    continue
                if type(piece) is bytes:
                    part, length = <const uint8_t *>PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece)
                else:
                    part = <const uint8_t *>PyUnicode_AsUTF8AndSize(piece, &length)
                if length == 0:
                    continue
                check_memory(bpe_output_reserve(o, length + 4))
                made = bpe_encode_cached(&self.vocab, context, part, length, o.ids + o.count)
                if made == 0:
                    raise MemoryError
                o.count += made
        return 0

    cdef int encode_symbols(self, bpe_context *context, object piece, bpe_output *o) except -1:
        """Append the ids of a piece, str or bytes, for a vocabulary of characters."""
        cdef size_t made
        cdef int unknown = 0
        cdef bytes data = piece if type(piece) is bytes else (<str>piece).encode()
        if not data:
            return 0
        if self._plan.slow is not None:
            for number in self._plan.slow.encode(data):
                check_memory(bpe_output_reserve(o, 1))
                o.ids[o.count] = number
                o.count += 1
            return 0
        if self._plan.suffix:
            data += END
        check_memory(bpe_output_reserve(o, len(data) + 4))
        made = bpe_encode_cached(&self.vocab, context, <const uint8_t *>PyBytes_AS_STRING(data), len(data),
                                 o.ids + o.count)
        if made == 0:
            raise MemoryError
        o.count += made
        return check_memory(bpe_expand(&self.expander, o, o.count - made, &unknown))

    cdef object encode_to(self, object text, object errors, bint ordinary, object allowed_special,
                          object disallowed_special, bint as_list):
        cdef const uint8_t *data = NULL
        cdef size_t n = 0
        cdef uint32_t small[SMALL + 4]
        cdef bpe_output o
        cdef bpe_context *context
        cdef SpecialTokens names = None
        _owner = borrow(text, errors, &data, &n)
        if not ordinary:
            names = self.allowed(data, n, allowed_special, disallowed_special)
        o.ids, o.room, o.count, o.own = small, SMALL + 4, 0, 0
        context = self.take_context()
        try:
            if n > SMALL:
                check_memory(bpe_output_reserve(&o, n // 3))
            self.encode_data(context, names, data, n, 0, &o)
            return take_list(&o) if as_list else take_array(&o)
        finally:
            self.give_context(context)
            bpe_output_free(&o)

    def encode_piece(self, piece):
        """The ids of one piece, which is not split further."""
        cdef bpe_output o
        cdef bpe_context *context
        cdef const uint8_t *data
        cdef size_t n, made
        piece = as_bytes(piece, "piece must be bytes-like")
        data = <const uint8_t *>PyBytes_AS_STRING(piece)
        n = len(piece)
        if n == 0:
            return []
        o.ids, o.room, o.count, o.own = NULL, 0, 0, 1
        context = self.take_context()
        try:
            if self._plan is not None:
                self.encode_symbols(context, piece, &o)
                return take_list(&o)
            check_memory(bpe_output_reserve(&o, n + 4))
            with nogil:
                made = bpe_encode_cached(&self.vocab, context, data, n, o.ids)
            if made == 0:
                raise MemoryError
            o.count = made
            return take_list(&o)
        finally:
            self.give_context(context)
            bpe_output_free(&o)

    def encode_ordinary_to_list(self, text, *, errors=REPLACE):
        """As ``encode_ordinary``, as a list."""
        return self.encode_to(text, errors, True, None, None, True)

    def encode_ordinary(self, text, *, errors=REPLACE):
        """The ids of ``text`` as a uint32 array; special tokens in it are ordinary text."""
        return self.encode_to(text, errors, True, None, None, False)

    def encode_to_list(self, text, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE,
                       add_special_tokens=False):
        """As ``encode``, as a list."""
        ids = self.encode_to(text, errors, False, allowed_special, disallowed_special, True)
        return framed(ids, self.template) if add_special_tokens else ids

    def encode(self, text, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE,
               add_special_tokens=False):
        """The ids of ``text`` as a uint32 array.

        A special token in ``text`` becomes one id if ``allowed_special`` names it or is ``"all"``, raises ValueError
        if ``disallowed_special`` names it (``"all"``: those not allowed), and is ordinary text otherwise. With
        ``add_special_tokens``, the ids of the vocabulary's template stand around them.
        """
        ids = self.encode_to(text, errors, False, allowed_special, disallowed_special, False)
        return framed(ids, self.template) if add_special_tokens else ids

    def encode_many(self, texts, threads=1, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE,
                    add_special_tokens=False):
        """The ids of many texts in one uint32 array, and the n + 1 int64 offsets of the texts in it.

        ``threads`` is how many work at a time, without the interpreter's lock; in pure Python it is one.
        """
        threads = size_option("threads", threads)
        if isinstance(texts, str):
            raise TypeError("texts must be an iterable of texts, not str")
        from .batch_encoder import BatchEncoder  # which is built on this module
        texts = list(texts)
        allowed, disallowed = special_names(self._special, self.tokens.always, allowed_special, disallowed_special)
        if not allowed and is_all(disallowed_special):
            allowed, disallowed = EMPTY, ALL  # as ``allowed`` knows the defaults: else 4 us for each text
        made = BatchEncoder(self, texts, threads, allowed, disallowed, errors).encode()
        return framed_many(*made, self.template) if add_special_tokens else made

    cdef object count_to(self, object text, object limit, object allowed_special, object disallowed_special,
                         object errors):
        """How many ids there are; None for more than ``limit`` if that is not None."""
        cdef const uint8_t *data = NULL
        cdef size_t n = 0, pos = 0, total = 0, most = (<size_t>-1) >> 1
        cdef bpe_output o
        cdef bpe_context *context
        cdef SpecialTokens names
        cdef const bpe_names *found
        cdef int error
        _owner = borrow(text, errors, &data, &n)
        names = self.allowed(data, n, allowed_special, disallowed_special)
        found = &names.names if names is not None else NULL
        if limit is not None and limit < most:
            most = limit
        o.ids, o.room, o.count, o.own = NULL, 0, 0, 1
        context = self.take_context()
        try:
            if not self.plain:
                self.encode_data(context, names, data, n, 0, &o)
                total = o.count
            else:
                check_memory(bpe_output_reserve(&o, 4096))
                # `most` = 1 stops after each batch, whose ids are then counted and dropped
                while pos < n and total <= most:
                    with nogil:
                        error = bpe_encode_text(&self.vocab, &self.spec, context, found, data, &pos, n, 1, &o)
                    check_memory(error)
                    total += o.count
                    o.count = 0
            return total if total <= most else None
        finally:
            self.give_context(context)
            bpe_output_free(&o)

    def count(self, text, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE):
        """How many ids ``text`` has."""
        return self.count_to(text, None, allowed_special, disallowed_special, errors)

    def count_until(self, text, limit, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE):
        """How many ids ``text`` has if that is at most ``limit``, else None; stops where the limit is passed."""
        return self.count_to(text, count_option("limit", limit), allowed_special, disallowed_special, errors)

    def truncate(self, text, n, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE):
        """The longest beginning of ``text`` that ends with one of its first ``n`` tokens and has at most ``n`` ids.

        It ends between two characters: if the last of these tokens ends inside a character, that character is left
        out, with all tokens that hold a part of it. ``str`` gives ``str``, bytes-like gives ``bytes``.
        """
        cdef const uint8_t *data = NULL
        cdef size_t size = 0
        cdef bpe_output o
        cdef bpe_context *context
        cdef SpecialTokens names
        n = min(count_option("n", n), <size_t>-1 >> 2)
        check_of_bytes(self.symbols)
        check_keeps_text(self.pattern, self.normalization, self.tokens.keeps_text)
        _owner = borrow(text, errors, &data, &size)
        names = self.allowed(data, size, allowed_special, disallowed_special)
        o.ids, o.room, o.count, o.own = NULL, 0, 0, 1
        context = self.take_context()
        try:
            check_memory(bpe_output_reserve(&o, 4096))
            self.encode_data(context, names, data, size, max(min(n, size), 1), &o)
            first = take_list(&o)
        finally:
            self.give_context(context)
            bpe_output_free(&o)
        whole = len(first) <= n
        first = first[:n + 1]
        beginning = self.bytes_of(first)
        if not whole:
            # a beginning may have more ids than it took up in the whole text, so it is counted again
            while first:
                beginning = beginning[:len(beginning) - len(self.bytes_of([first.pop()]))]
                if ends_between_characters(beginning) and (
                    self.count_to(beginning, n, allowed_special, (), errors) is not None
                ):
                    break
        return beginning.decode() if isinstance(text, str) else beginning

    def offsets(self, text, *, allowed_special=EMPTY, disallowed_special=ALL, errors=REPLACE):
        """The ids of ``text`` and where their tokens begin, in bytes and in characters of the (normalised) text."""
        cdef const uint8_t *data = NULL
        cdef size_t n = 0, bad = 0, size
        cdef int64_t[::1] places, begins
        cdef bpe_output o
        cdef bpe_context *context
        cdef bytes whole
        check_of_bytes(self.symbols)
        _owner = borrow(text, errors, &data, &n)
        names = self.allowed(data, n, allowed_special, disallowed_special)
        import numpy
        o.ids, o.room, o.count, o.own = NULL, 0, 0, 1
        context = self.take_context()
        try:
            check_memory(bpe_output_reserve(&o, n // 3 + 16))
            self.encode_data(context, names, data, n, 0, &o)
            starts = numpy.zeros(o.count + 1, numpy.int64)
            chars = numpy.zeros(o.count + 1, numpy.int64)
            if self.decoder.size == 0:
                return sparse_offsets(self, take_list(&o), starts, chars)
            size = bpe_decoded_size(&self.decoder, o.ids, o.count, &bad)
            if bad < o.count:  # of a name that was added to special_tokens later
                raise unknown_id(o.ids[bad], bad)
            whole = PyBytes_FromStringAndSize(NULL, size)
            data = <const uint8_t *>PyBytes_AS_STRING(whole)
            places, begins = starts, chars
            with nogil:
                bpe_decode(&self.decoder, o.ids, o.count, <uint8_t *>data)
                bpe_offsets(&self.decoder, o.ids, o.count, data, &places[0], &begins[0])
            return TokenOffsets(take_array(&o), starts, chars)
        finally:
            self.give_context(context)
            bpe_output_free(&o)

    def decode_bytes(self, ids):
        """The bytes of ``ids`` (a sequence or array of ints); an id not in the vocabulary raises ValueError."""
        found = self.quick_bytes(ids)
        return self.bytes_of(id_list(ids, "decode")) if found is None else found

    cdef bytes bytes_of(self, list numbers):
        """The bytes of a list of exact ints; ValueError for one that is unknown."""
        found = self.quick_bytes(numbers)
        return join_tokens(numbers, self._bytes_of) if found is None else found

    cdef bytes quick_bytes(self, object ids):
        """The same for all that ``copy_tokens`` takes; None if it does not, or not all are known."""
        cdef uint8_t small[SMALL_BYTES]
        cdef Output out
        cdef size_t known = 0
        if self.decoder.size == 0:
            return None
        begin_output(&out, small)
        try:
            if copy_tokens(&self.decoder, ids, &known, &out):
                return PyBytes_FromStringAndSize(<const char *>out.data, out.made)
            return None
        finally:
            free_output(&out)

    cdef bytes token(self, number):
        """The bytes of an exact int, None if it is unknown."""
        cdef const bpe_decoder *d = &self.decoder
        cdef uint32_t i
        if d.size == 0:
            return self.sparse.get(number)
        if not 0 <= number < d.size:
            return None
        i = number
        return d.bytes[d.starts[i]:d.starts[i + 1]] or None

    def decode(self, ids, errors="replace", *, skip_special_tokens=False):
        """The text of ``ids``; what is not valid UTF-8 is treated as ``errors`` says.

        ``skip_special_tokens`` leaves out special tokens.
        """
        if not self.ready:
            raise RuntimeError("BPECore is not initialized")
        if not skip_special_tokens and self.decoding.steps is None:
            return self.decode_bytes(ids).decode("utf-8", errors)
        numbers = id_list(ids, "decode")
        data = self.bytes_of(numbers)
        if skip_special_tokens and not self._hidden.isdisjoint(numbers):
            numbers = list(filterfalse(self._hidden.__contains__, numbers))
            data = self.bytes_of(numbers)
        if self.decoding.steps is None:
            return data.decode("utf-8", errors)
        return self._texts.decode(numbers, errors)


@cython.final
cdef class PieceLookup:
    """The ids of a piece by ``[piece]``, as the cache of the pure core has them."""

    cdef BPECore core

    def __cinit__(self, BPECore core):
        self.core = core

    def __getitem__(self, piece):
        return self.core.encode_piece(piece.encode() if type(piece) is str else piece)


def by_id(item):
    return item[1]


cdef object sparse_offsets(BPECore core, list numbers, starts, chars):
    """``BPECore.offsets`` for ids that are far apart."""
    import numpy
    data = core.bytes_of(numbers)
    at = begun = 0
    for i, number in enumerate(numbers):
        starts[i] = at
        chars[i] = begun - (data[at] & 0xC0 == 0x80)
        token = core.token(number)
        begun += sum(byte & 0xC0 != 0x80 for byte in token)
        at += len(token)
    starts[len(numbers)], chars[len(numbers)] = at, begun
    return TokenOffsets(numpy.array(numbers, numpy.uint32), starts, chars)


def merge_columns(merges, places):
    """Left, right and result of each merge as places in the sorted vocabulary."""
    columns = [], [], []
    for left, right in merges:
        for column, token in zip(columns, (left, right, left + right)):
            column.append(places[token])
    return columns


def _restore(cls, ranks, pattern, special_tokens, options):
    return cls(ranks, pattern, special_tokens, **options)


cdef bint is_ascii(const uint8_t *data, size_t n) noexcept:
    cdef size_t i
    for i in range(n):
        if data[i] >= 0x80:
            return False
    return True
