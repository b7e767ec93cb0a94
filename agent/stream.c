#include "stream.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "memory.h"

enum { MAX_WORDS = 1024 };

static struct list runnable = {&runnable, &runnable};
static struct list ended = {&ended, &ended};

struct stream *stream_new(struct connection *connection, uint32_t number)
{
    static const struct stream_type NOTHING;
    struct stream *stream = memory_new(sizeof *stream);
    *stream = (struct stream){
        .connection = connection,
        .number = number,
        .credit = WINDOW,
        .allowance = WINDOW,
        .type = &NOTHING,
    };
    list_init(&stream->runnable);
    list_append(&connection->streams, &stream->link);
    connection->stream_count++;
    return stream;
}

void stream_become(struct stream *stream, const struct stream_type *type, void *state)
{
    stream->type = type;
    stream->state = state;
}

void stream_end(struct stream *stream)
{
    if (stream->ended)
        return;
    stream->ended = true;
    stream->connection->stream_count--;
    list_remove(&stream->link);
    list_remove(&stream->runnable);
    list_append(&ended, &stream->link);
    if (stream->type->close != NULL)
        stream->type->close(stream);
}

void streams_sweep(void)
{
    while (!list_empty(&ended)) {
        struct stream *stream = LIST_OF(ended.next, struct stream, link);
        list_remove(&stream->link);
        free(stream);
    }
}

void stream_done(struct stream *stream)
{
    struct frame frame = stream_frame(stream, DONE);
    frame_close(&frame);
    stream_end(stream);
}

void stream_fail(struct stream *stream, int error, const char *format, ...)
{
    char words[MAX_WORDS];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    struct frame frame = stream_frame(stream, FAILED);
    frame_number(&frame, 4, (uint64_t)error);
    frame_text(&frame, words, sizeof words);
    frame_close(&frame);
    stream_end(stream);
}

void stream_run(struct stream *stream)
{
    if (!stream->ended && stream->type->pump != NULL && list_empty(&stream->runnable))
        list_append(&runnable, &stream->runnable);
}

bool streams_runnable(void)
{
    return !list_empty(&runnable);
}

/* Each that was runnable at the beginning has one go: nobody waits for a stream that never runs dry. */
void streams_pump(void)
{
    struct list now;
    list_init(&now);
    while (!list_empty(&runnable)) {
        struct list *first = runnable.next;
        list_remove(first);
        list_append(&now, first);
    }
    while (!list_empty(&now)) {
        struct stream *stream = LIST_OF(now.next, struct stream, runnable);
        list_remove(&stream->runnable);
        stream->type->pump(stream);
    }
}

static bool credited(struct stream *stream, uint64_t count)
{
    if (count > WINDOW - stream->credit)
        return false;
    stream->credit += (uint32_t)count;
    if (stream->type->credited != NULL)
        stream->type->credited(stream, (uint32_t)count);
    stream_run(stream);
    return true;
}

static bool bulk(struct stream *stream, void (*take)(struct stream *, const uint8_t *, uint32_t),
                 const struct field *data)
{
    if (take == NULL || data->length > stream->allowance)
        return false;
    stream->allowance -= data->length;
    take(stream, (const uint8_t *)data->text, data->length);
    return true;
}

static bool bare(struct stream *stream, void (*take)(struct stream *))
{
    if (take != NULL)
        take(stream);
    return take != NULL;
}

bool stream_receive(struct stream *stream, enum kind kind, const struct message *message)
{
    const struct field *field = message->fields;
    switch (kind) {
    case CREDIT:
        return credited(stream, field->number);
    case DATA:
        return bulk(stream, stream->type->data, field);
    case INPUT:
        return bulk(stream, stream->type->input, field);
    case END:
        return bare(stream, stream->type->end);
    case INPUT_END:
        return bare(stream, stream->type->input_end);
    case DETACH:
        return bare(stream, stream->type->detach);
    case CANCEL:
        return bare(stream, stream->type->cancel);
    default:
        return false;
    }
}

void stream_accept(struct stream *stream, uint32_t count)
{
    if (stream->ended || count == 0)
        return;
    stream->allowance += count;
    struct frame frame = stream_frame(stream, CREDIT);
    frame_number(&frame, 4, count);
    frame_close(&frame);
}

uint32_t stream_room(const struct stream *stream)
{
    if (!connection_has_room(stream->connection))
        return 0;
    return stream->credit < CHUNK ? stream->credit : CHUNK;
}

struct frame frame_open(struct connection *connection, uint32_t stream, enum kind kind)
{
    struct frame frame = {&connection->out, buffer_size(&connection->out)};
    frame_number(&frame, SIZE_BYTES, 0);
    frame_number(&frame, 1, kind);
    frame_number(&frame, 4, stream);
    return frame;
}

struct frame stream_frame(struct stream *stream, enum kind kind)
{
    return frame_open(stream->connection, stream->number, kind);
}

void frame_number(struct frame *frame, unsigned width, uint64_t number)
{
    number_write(buffer_reserve(frame->out, width), width, number);
    buffer_extend(frame->out, width);
}

uint8_t *frame_space(struct frame *frame, size_t size)
{
    frame_number(frame, SIZE_BYTES, size);
    uint8_t *space = buffer_reserve(frame->out, size);
    buffer_extend(frame->out, size);
    return space;
}

void frame_data(struct frame *frame, const void *bytes, size_t size)
{
    uint8_t *space = frame_space(frame, size);
    if (size > 0)
        memcpy(space, bytes, size);
}

void frame_text(struct frame *frame, const char *text, size_t most)
{
    size_t size = strnlen(text, most);
    uint8_t *space = frame_space(frame, size);
    if (size > 0)
        memcpy(space, text, size);
    for (size_t at = 0; (at += utf8_valid(space + at, size - at)) < size;)
        space[at++] = '?';
}

void frame_close(struct frame *frame)
{
    size_t size = buffer_size(frame->out) - frame->size - SIZE_BYTES;
    number_write(buffer_front(frame->out) + frame->size, SIZE_BYTES, size);
}
