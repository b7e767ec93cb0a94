/* A queue of bytes: appended at the end, taken from the front. Its memory stays until `buffer_rest`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *memory;
    size_t start, end, capacity;
};

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline uint8_t *buffer_front(const struct buffer *buffer)
{
    return buffer->memory + buffer->start;
}

/* Room for `size` more bytes; they count once `buffer_extend` says so. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_extend(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_consume(struct buffer *buffer, size_t size);
/* Gives memory back if it holds nothing. New memory is dear in gVisor, so not after every use. */
void buffer_rest(struct buffer *buffer);
void buffer_free(struct buffer *buffer);
