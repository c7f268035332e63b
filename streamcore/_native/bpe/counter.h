/* What counts the tokens of text that grows, as its user sees it: bpe/counting.pyx makes it. */
#ifndef STREAMCORE_BPE_COUNTER_H
#define STREAMCORE_BPE_COUNTER_H

#include <stdint.h>

typedef struct token_counter {
    /* Tokens of the text from start to stop, whose code points from `base` on are data; -1: no memory. */
    int64_t (*measure)(struct token_counter *counter, const void *data, int width, int64_t base, int64_t start, int64_t stop);
    /* What it has seen of the text from `known` on need not be what comes there. */
    void (*forget)(struct token_counter *counter, int64_t known);
} token_counter;

#endif
