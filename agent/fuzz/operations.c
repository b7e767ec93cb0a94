/* Operations that touch nothing: the fuzzer is not to start programs or remove files. Each walks over its fields. */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "operations.h"

static volatile size_t seen;

static void look(const struct field *field)
{
    if (field->text != NULL)
        for (uint32_t i = 0; i < field->length; i++)
            seen += (size_t)field->text[i];
    for (char **text = field->texts; text != NULL && *text != NULL; text++)
        seen += strlen(*text);
}

static void look_at_all(const struct field *fields)
{
    for (unsigned i = 0; i < MAX_FIELDS; i++)
        look(&fields[i]);
}

static void answer(struct stream *stream, const struct field *fields)
{
    look_at_all(fields);
    stream_fail(stream, 1, "%s", fields[0].text ? fields[0].text : "");
}

static void take(struct stream *stream, const uint8_t *bytes, uint32_t size)
{
    seen += size > 0 ? bytes[size - 1] : 0;
    stream_accept(stream, size / 2);
}

static void closed(struct stream *stream)
{
    free(stream->state);
}

static void pump(struct stream *stream)
{
    uint32_t room = stream_room(stream);
    if (room == 0)
        return;
    struct frame frame = stream_frame(stream, DATA);
    memset(frame_space(&frame, room), 'x', room);
    frame_close(&frame);
    stream->credit -= room;
}

static void credited(struct stream *stream, uint32_t count)
{
    seen += count + stream->number;
}

/* Takes everything that a stream can be sent. */
static void stay(struct stream *stream, const struct field *fields)
{
    static const struct stream_type ANYTHING = {
        .pump = pump,
        .data = take,
        .end = stream_done,
        .input = take,
        .input_end = stream_run,
        .credited = credited,
        .detach = stream_done,
        .cancel = stream_end,
        .close = closed,
    };
    look_at_all(fields);
    stream_become(stream, &ANYTHING, memory_new(1));
    stream_run(stream);
}

void operation_configure(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_start(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_attach(struct stream *stream, const struct field *fields) { stay(stream, fields); }
void operation_signal(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_resize(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_forget(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_sessions(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_read(struct stream *stream, const struct field *fields) { stay(stream, fields); }
void operation_write(struct stream *stream, const struct field *fields) { stay(stream, fields); }
void operation_entries(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_make_directory(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_remove(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_connect(struct stream *stream, const struct field *fields) { stay(stream, fields); }
void operation_statistics(struct stream *stream, const struct field *fields) { answer(stream, fields); }
void operation_limits(struct stream *stream, const struct field *fields) { answer(stream, fields); }
