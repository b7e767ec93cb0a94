/* The last RING bytes of a session's output, stdout and stderr in the order they came, each byte with its channel. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

struct ring {
    uint8_t *bytes;
    uint64_t *errors; /* a bit per byte: it came from stderr */
    size_t capacity;  /* a power of two, grown on demand up to RING */
    uint64_t start, end;
};

void ring_append(struct ring *ring, enum channel channel, const uint8_t *bytes, size_t size);
/* How many bytes from `offset` on, at most `most`, came from one channel; `offset` must be within the ring. */
size_t ring_run(const struct ring *ring, uint64_t offset, size_t most, enum channel *channel);
void ring_copy(const struct ring *ring, uint64_t offset, uint8_t *to, size_t size);
/* Drops all bytes and their memory; offsets go on. */
void ring_clear(struct ring *ring);
/* Memory of all rings, in bytes. */
size_t ring_memory(void);
