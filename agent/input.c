#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "memory.h"
#include "session.h"

enum { END_OF_TRANSMISSION = 4 /* Ctrl-D */ };

/* Input that the process has not taken. One without bytes is the end of it. */
struct chunk {
    struct list link;
    struct reader *reader; /* NULL: it has gone */
    uint32_t size, taken;
    uint8_t bytes[];
};

static void count(struct session *session, struct chunk *chunk, uint32_t taken)
{
    chunk->taken += taken;
    if (chunk->reader == NULL)
        session->orphaned -= taken;
    else
        reader_taken(chunk->reader, taken);
}

static void chunk_free(struct chunk *chunk)
{
    list_remove(&chunk->link);
    free(chunk);
}

void input_close(struct session *session)
{
    watch_close(&session->input);
    while (!list_empty(&session->chunks)) {
        struct chunk *chunk = LIST_OF(session->chunks.next, struct chunk, link);
        count(session, chunk, chunk->size - chunk->taken);
        chunk_free(chunk);
    }
}

/* On a terminal Ctrl-D hands over what was typed; only at the beginning of a line is that nothing, which is the end. */
static void end_terminal(struct session *session)
{
    static const uint8_t TWICE[] = {END_OF_TRANSMISSION, END_OF_TRANSMISSION};
    bool line_begun = session->last_input != 0 && session->last_input != '\n' && session->last_input != '\r';
    (void)!write(session->input.fd, TWICE, line_begun ? 2 : 1);
    session->last_input = 0;
}

/* False: the process takes nothing more for now, or at all. */
static bool write_chunk(struct session *session, struct chunk *chunk)
{
    ssize_t size = write(session->input.fd, chunk->bytes + chunk->taken, chunk->size - chunk->taken);
    if (size < 0) {
        if (errno != EAGAIN && errno != EINTR)
            input_close(session);
        return false;
    }
    if (size > 0)
        session->last_input = chunk->bytes[chunk->taken + (uint32_t)size - 1];
    count(session, chunk, (uint32_t)size);
    if (chunk->taken < chunk->size)
        return false;
    chunk_free(chunk);
    return true;
}

static bool end(struct session *session, struct chunk *chunk)
{
    chunk_free(chunk);
    if (session->terminal)
        end_terminal(session);
    else
        input_close(session);
    return session->terminal;
}

static void write_all(struct session *session)
{
    bool more = true;
    while (more && !list_empty(&session->chunks)) {
        struct chunk *chunk = LIST_OF(session->chunks.next, struct chunk, link);
        more = chunk->size == 0 ? end(session, chunk) : write_chunk(session, chunk);
    }
    watch_want(&session->input, list_empty(&session->chunks) ? 0 : EPOLLOUT);
}

static void ready(struct watch *watch, uint32_t events)
{
    (void)events;
    write_all(LIST_OF(watch, struct session, input));
}

void input_open(struct session *session, int fd)
{
    watch_init(&session->input, fd, ready);
}

static void add(struct session *session, struct reader *reader, const uint8_t *bytes, uint32_t size)
{
    struct chunk *chunk = memory_new(sizeof *chunk + size);
    chunk->reader = reader;
    chunk->size = size;
    if (size > 0)
        memcpy(chunk->bytes, bytes, size);
    list_append(&session->chunks, &chunk->link);
    write_all(session);
}

void input_add(struct session *session, struct reader *reader, const uint8_t *bytes, uint32_t size)
{
    if (session->input.fd < 0)
        reader_taken(reader, size);
    else if (size > 0)
        add(session, reader, bytes, size);
}

void input_end(struct session *session, struct reader *reader)
{
    if (session->input.fd >= 0)
        add(session, reader, NULL, 0);
}

void input_disown(struct session *session, struct reader *reader, bool drop)
{
    LIST_EACH (chunk, &session->chunks, struct chunk, link) {
        if (chunk->reader != reader)
            continue;
        uint32_t left = chunk->size - chunk->taken;
        if (drop || session->orphaned + left > WINDOW) {
            chunk_free(chunk);
        } else {
            chunk->reader = NULL;
            session->orphaned += left;
        }
    }
}
