#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "operations.h"
#include "session.h"

#ifndef READER_GRACE_MS
#define READER_GRACE_MS 120000
#endif

enum { MAX_READERS = 64, MAX_READER_NAME = 64, CHUNKS = 4 /* sent in one go */ };

struct reader {
    struct list link;
    struct session *session;
    char name[MAX_READER_NAME + 1]; /* empty: its place goes with its stream */
    struct stream *stream;          /* NULL: it is away */
    struct timer grace;
    uint64_t sent, received; /* offsets up to which output was sent, and acknowledged */
    uint64_t input;          /* bytes of input that the process has taken from it */
};

uint64_t readers_place(const struct session *session)
{
    uint64_t place = UINT64_MAX;
    LIST_EACH (reader, &session->readers, struct reader, link)
        if (reader->received < place)
            place = reader->received;
    return place;
}

unsigned readers_connected(const struct session *session)
{
    unsigned count = 0;
    LIST_EACH (reader, &session->readers, struct reader, link)
        count += reader->stream != NULL;
    return count;
}

void readers_wake(struct session *session)
{
    LIST_EACH (reader, &session->readers, struct reader, link)
        if (reader->stream != NULL)
            stream_run(reader->stream);
}

void reader_taken(struct reader *reader, uint32_t count)
{
    reader->input += count;
    if (reader->stream != NULL)
        stream_accept(reader->stream, count);
}

/* Gives up the place. */
static void reader_free(struct reader *reader)
{
    struct session *session = reader->session;
    timer_stop(&reader->grace);
    input_disown(session, reader, false);
    list_remove(&reader->link);
    free(reader);
    output_adjust(session);
}

static void grace_over(struct timer *timer)
{
    reader_free(LIST_OF(timer, struct reader, grace));
}

/* The stream has ended. A named reader's place stays for a while, and it will send again what was not taken. */
static void closed(struct stream *stream)
{
    struct reader *reader = stream->state;
    if (reader == NULL)
        return;
    struct session *session = reader->session;
    reader->stream = NULL;
    if (reader->name[0] == 0) {
        reader_free(reader);
    } else {
        input_disown(session, reader, true);
        timer_start(&reader->grace, READER_GRACE_MS);
    }
    session_readers_changed(session);
}

/* Parts a reader from its stream for good; the stream still waits for its last word. */
static void part(struct stream *stream)
{
    struct reader *reader = stream->state;
    struct session *session = reader->session;
    stream->state = NULL;
    reader->stream = NULL;
    reader_free(reader);
    session_readers_changed(session);
}

static void detached(struct stream *stream)
{
    part(stream);
    stream_done(stream);
}

static void exited(struct stream *stream)
{
    struct reader *reader = stream->state;
    const struct session *session = reader->session;
    struct frame frame = stream_frame(stream, EXITED);
    frame_number(&frame, 4, session->code);
    frame_number(&frame, 1, session->ending);
    frame_number(&frame, 2, session->signal);
    frame_close(&frame);
    part(stream);
    stream_end(stream);
}

/* False: nothing to send, or it may not be sent. */
static bool send_chunk(struct stream *stream)
{
    struct reader *reader = stream->state;
    const struct ring *ring = &reader->session->ring;
    uint32_t most = stream_room(stream);
    if (most == 0 || reader->sent == ring->end)
        return false;
    enum channel channel;
    size_t size = ring_run(ring, reader->sent, most, &channel);
    struct frame frame = stream_frame(stream, OUTPUT);
    frame_number(&frame, 1, channel);
    frame_number(&frame, 8, reader->sent);
    ring_copy(ring, reader->sent, frame_space(&frame, size), size);
    frame_close(&frame);
    reader->sent += size;
    stream->credit -= (uint32_t)size;
    return true;
}

static void pump(struct stream *stream)
{
    const struct reader *reader = stream->state;
    unsigned sent = 0;
    while (sent < CHUNKS && send_chunk(stream))
        sent++;
    if (reader->session->finished && reader->sent == reader->session->ring.end)
        exited(stream);
    else if (sent == CHUNKS)
        stream_run(stream);
}

static void received(struct stream *stream, uint32_t count)
{
    struct reader *reader = stream->state;
    reader->received += count;
    output_adjust(reader->session);
}

static void input(struct stream *stream, const uint8_t *bytes, uint32_t size)
{
    struct reader *reader = stream->state;
    input_add(reader->session, reader, bytes, size);
}

static void input_over(struct stream *stream)
{
    struct reader *reader = stream->state;
    input_end(reader->session, reader);
}

static const struct stream_type ATTACHMENT = {
    .pump = pump,
    .input = input,
    .input_end = input_over,
    .credited = received,
    .detach = detached,
    .cancel = stream_done,
    .close = closed,
};

static struct reader *find(struct session *session, const char *name)
{
    LIST_EACH (reader, &session->readers, struct reader, link)
        if (name[0] != 0 && strcmp(reader->name, name) == 0)
            return reader;
    return NULL;
}

static struct reader *reader_new(struct session *session, const char *name)
{
    struct reader *reader = memory_new(sizeof *reader);
    reader->session = session;
    memcpy(reader->name, name, strlen(name));
    timer_init(&reader->grace, grace_over);
    list_append(&session->readers, &reader->link);
    return reader;
}

static uint64_t clip(uint64_t offset, const struct ring *ring)
{
    return offset < ring->start ? ring->start : offset > ring->end ? ring->end : offset;
}

static void attach(struct reader *reader, struct stream *stream, uint64_t offset)
{
    const struct session *session = reader->session;
    timer_stop(&reader->grace);
    reader->stream = stream;
    reader->sent = reader->received = clip(offset, &session->ring);
    stream_become(stream, &ATTACHMENT, reader);
    struct frame frame = stream_frame(stream, ATTACHED);
    frame_number(&frame, 8, reader->sent);
    frame_number(&frame, 8, session->ring.end);
    frame_number(&frame, 8, reader->name[0] != 0 ? reader->input : 0);
    frame_close(&frame);
    stream_run(stream);
}

void operation_attach(struct stream *stream, const struct field *fields)
{
    const char *name = fields[1].text;
    struct session *session = session_find(stream, fields[0].text);
    if (session == NULL)
        return;
    struct reader *reader = find(session, name);
    if (fields[1].length > MAX_READER_NAME || (reader == NULL && list_size(&session->readers) >= MAX_READERS)) {
        stream_fail(stream, EUSERS, "%d readers of a session, with names of %d bytes, are the most", MAX_READERS,
                    MAX_READER_NAME);
        return;
    }
    if (reader == NULL)
        reader = reader_new(session, name);
    else if (reader->stream != NULL) /* its connection may be lost without our knowing */
        stream_fail(reader->stream, ECANCELED, "reader %s has attached elsewhere", name);
    attach(reader, stream, fields[2].number);
    session_readers_changed(session);
    output_adjust(session);
}

void readers_dismiss(struct session *session)
{
    while (!list_empty(&session->readers)) {
        struct reader *reader = LIST_OF(session->readers.next, struct reader, link);
        struct stream *stream = reader->stream;
        if (stream == NULL) {
            reader_free(reader);
        } else {
            part(stream);
            stream_fail(stream, ESRCH, "session %s was forgotten", session->name);
        }
    }
}
