/*
 * A stream: one operation on one connection. It is made by the message that opens it and lives until it has sent its
 * last word, was cancelled, or its connection is lost; what it does in between its type says.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "list.h"
#include "protocol.h"

struct connection;
struct stream;

/* What a stream takes; NULL: a frame that asks for it breaks the protocol. `close` frees `state`, sends nothing. */
struct stream_type {
    void (*pump)(struct stream *stream);
    void (*data)(struct stream *stream, const uint8_t *bytes, uint32_t size);
    void (*end)(struct stream *stream);
    void (*input)(struct stream *stream, const uint8_t *bytes, uint32_t size);
    void (*input_end)(struct stream *stream);
    void (*credited)(struct stream *stream, uint32_t count);
    void (*detach)(struct stream *stream);
    void (*cancel)(struct stream *stream);
    void (*close)(struct stream *stream);
};

struct stream {
    struct list link;     /* in its connection, or among the ended */
    struct list runnable; /* in the loop's list of those with something to do */
    struct connection *connection;
    uint32_t number;
    uint32_t credit;    /* bulk bytes that may be sent */
    uint32_t allowance; /* bulk bytes that may come */
    bool ended;
    const struct stream_type *type;
    void *state;
};

struct stream *stream_new(struct connection *connection, uint32_t number);
void stream_become(struct stream *stream, const struct stream_type *type, void *state);

/* The last words. */
void stream_done(struct stream *stream);
void stream_fail(struct stream *stream, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Ends it without a word. */
void stream_end(struct stream *stream);

/* Has `pump` called soon, once: a pump that has more to do asks again. */
void stream_run(struct stream *stream);
bool streams_runnable(void);
void streams_pump(void);
/* Frees the streams that have ended. */
void streams_sweep(void);

/* Messages that continue a stream; false when they break the protocol. */
bool stream_receive(struct stream *stream, enum kind kind, const struct message *message);
/* Lets the peer send `count` bytes more. */
void stream_accept(struct stream *stream, uint32_t count);
/* How many bulk bytes may be sent now, at most CHUNK: 0 while there is no credit or the peer reads too slowly. */
uint32_t stream_room(const struct stream *stream);

/* Frames: opened, filled field by field, closed. */
struct frame {
    struct buffer *out;
    size_t size; /* of `out` before it */
};

struct frame frame_open(struct connection *connection, uint32_t stream, enum kind kind);
struct frame stream_frame(struct stream *stream, enum kind kind);
void frame_number(struct frame *frame, unsigned width, uint64_t number);
void frame_data(struct frame *frame, const void *bytes, size_t size);
/* As `frame_data`; what is not UTF-8 becomes '?', what is above `most` bytes is cut. */
void frame_text(struct frame *frame, const char *text, size_t most);
/* A data field of `size` bytes for the caller to fill at once. */
uint8_t *frame_space(struct frame *frame, size_t size);
void frame_close(struct frame *frame);
