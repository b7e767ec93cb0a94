#include "ring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { SMALLEST = 4096, WORD = 64 };

static size_t memory;

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t place(const struct ring *ring, uint64_t offset)
{
    return (size_t)offset & (ring->capacity - 1);
}

static size_t until_wrap(const struct ring *ring, uint64_t offset, size_t size)
{
    return least(size, ring->capacity - place(ring, offset));
}

/* Marks bytes that lie in one piece. */
static void mark(struct ring *ring, size_t from, size_t size, bool error)
{
    while (size > 0) {
        size_t bit = from % WORD, count = least(size, WORD - bit);
        uint64_t mask = (count == WORD ? ~0ULL : (1ULL << count) - 1) << bit;
        uint64_t *word = &ring->errors[from / WORD];
        *word = error ? *word | mask : *word & ~mask;
        from += count;
        size -= count;
    }
}

static void put(struct ring *ring, enum channel channel, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t piece = until_wrap(ring, ring->end, size);
        memcpy(ring->bytes + place(ring, ring->end), bytes, piece);
        mark(ring, place(ring, ring->end), piece, channel == STDERR);
        ring->end += piece;
        bytes += piece;
        size -= piece;
    }
}

static void move_runs(const struct ring *from, struct ring *to)
{
    uint64_t offset = from->start;
    while (offset < from->end) {
        enum channel channel;
        size_t run = ring_run(from, offset, until_wrap(from, offset, from->end - offset), &channel);
        put(to, channel, from->bytes + place(from, offset), run);
        offset += run;
    }
}

static void grow(struct ring *ring, size_t capacity)
{
    struct ring larger = {
        .bytes = memory_new(capacity),
        .errors = memory_new(capacity / WORD * sizeof *larger.errors),
        .capacity = capacity,
        .start = ring->start,
        .end = ring->start,
    };
    move_runs(ring, &larger);
    memory += capacity - ring->capacity;
    free(ring->bytes);
    free(ring->errors);
    *ring = larger;
}

void ring_append(struct ring *ring, enum channel channel, const uint8_t *bytes, size_t size)
{
    size_t held = (size_t)(ring->end - ring->start);
    size_t capacity = ring->capacity ? ring->capacity : SMALLEST;
    while (capacity < RING && held + size > capacity)
        capacity *= 2;
    if (capacity > ring->capacity)
        grow(ring, capacity);
    put(ring, channel, bytes, size);
    if (ring->end - ring->start > ring->capacity)
        ring->start = ring->end - ring->capacity;
}

/* How many bits from `from` on, at most `most`, are like the first; they lie in one piece. */
static size_t alike(const uint64_t *bits, size_t from, size_t most, bool first)
{
    size_t run = 0;
    while (run < most) {
        size_t bit = (from + run) % WORD;
        uint64_t word = bits[(from + run) / WORD];
        uint64_t differing = (first ? ~word : word) >> bit;
        if (differing != 0)
            return least(most, run + (size_t)__builtin_ctzll(differing));
        run += WORD - bit;
    }
    return most;
}

size_t ring_run(const struct ring *ring, uint64_t offset, size_t most, enum channel *channel)
{
    size_t at = place(ring, offset), size = least(most, (size_t)(ring->end - offset));
    bool error = ring->errors[at / WORD] >> at % WORD & 1;
    *channel = error ? STDERR : STDOUT;
    size_t piece = until_wrap(ring, offset, size), run = alike(ring->errors, at, piece, error);
    return run < piece || piece == size ? run : run + alike(ring->errors, 0, size - piece, error);
}

void ring_copy(const struct ring *ring, uint64_t offset, uint8_t *to, size_t size)
{
    size_t piece = until_wrap(ring, offset, size);
    memcpy(to, ring->bytes + place(ring, offset), piece);
    memcpy(to + piece, ring->bytes, size - piece);
}

void ring_clear(struct ring *ring)
{
    memory -= ring->capacity;
    free(ring->bytes);
    free(ring->errors);
    *ring = (struct ring){.start = ring->end, .end = ring->end};
}

size_t ring_memory(void)
{
    return memory;
}
