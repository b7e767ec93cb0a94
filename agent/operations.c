#include "operations.h"

static void ping(struct stream *stream, const struct field *fields)
{
    (void)fields;
    stream_done(stream);
}

static const operation OPERATIONS[] = {
    [CONFIGURE] = operation_configure,
    [START] = operation_start,
    [ATTACH] = operation_attach,
    [SIGNAL] = operation_signal,
    [RESIZE] = operation_resize,
    [FORGET] = operation_forget,
    [SESSIONS] = operation_sessions,
    [READ] = operation_read,
    [WRITE] = operation_write,
    [ENTRIES] = operation_entries,
    [MAKE_DIRECTORY] = operation_make_directory,
    [REMOVE] = operation_remove,
    [CONNECT] = operation_connect,
    [STATISTICS] = operation_statistics,
    [PING] = ping,
    [LIMITS] = operation_limits,
};

operation operation_of(enum kind kind)
{
    return kind < sizeof OPERATIONS / sizeof *OPERATIONS ? OPERATIONS[kind] : NULL;
}
