/* Connections from the worker: who may speak, frames in, frames out. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "list.h"
#include "loop.h"
#include "protocol.h"

struct connection {
    struct list link;
    struct watch watch;
    struct timer patience; /* runs until it has said who it is */
    struct timer rest;     /* runs while its buffers keep memory */
    struct buffer in, out;
    struct list streams;
    unsigned stream_count;
    uint32_t last_stream;
    bool welcome, dead;
};

/* Begins to listen; returns the port, or -1 with errno. */
int connections_listen(const struct sockaddr_in *address);
/* The token that connections from now on must bring. */
void connections_token(const uint8_t token[TOKEN_BYTES]);
void connections_tell(enum event event, const char *text);
/* Writes what was said during this turn. */
void connections_flush(void);
/* Frees the connections that were lost. */
void connections_sweep(void);

/* A connection on a descriptor that is open already; for the listener, and for tests of its own. */
struct connection *connection_new(int fd);
/* Bytes that came; a broken rule closes it. */
void connection_receive(struct connection *connection, const void *bytes, size_t size);
/* Ends it and all its streams; it is freed by the next sweep. */
void connection_close(struct connection *connection);
bool connection_has_room(const struct connection *connection);
