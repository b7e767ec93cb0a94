#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { SMALLEST = 1024 };

static void compact(struct buffer *buffer)
{
    if (buffer->start > 0) {
        memmove(buffer->memory, buffer_front(buffer), buffer_size(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->end + size > buffer->capacity)
        compact(buffer);
    if (buffer->end + size > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : SMALLEST;
        while (buffer->end + size > capacity)
            capacity *= 2;
        buffer->memory = memory_resize(buffer->memory, capacity);
        buffer->capacity = capacity;
    }
    return buffer->memory + buffer->end;
}

void buffer_extend(struct buffer *buffer, size_t size)
{
    buffer->end += size;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer_extend(buffer, size);
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}

void buffer_rest(struct buffer *buffer)
{
    if (buffer->start == buffer->end)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->memory);
    *buffer = (struct buffer){0};
}
