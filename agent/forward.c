/* Connections to ports inside. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "loop.h"
#include "memory.h"
#include "operations.h"

enum { READS = 4 /* in a turn */ };

struct forward {
    struct watch watch;
    struct stream *stream;
    struct buffer waiting; /* bytes for the socket */
    uint16_t port;
    bool connected;
    bool reading;   /* the server has not ended */
    bool writing;   /* the worker has not ended */
    bool shut;      /* ... and the server has been told */
    bool deaf;      /* the server takes no more: what comes is dropped */
};

static void adjust(struct forward *forward)
{
    bool out = !forward->connected || buffer_size(&forward->waiting) > 0;
    bool in = forward->connected && forward->reading && stream_room(forward->stream) > 0;
    watch_want(&forward->watch, (out ? EPOLLOUT : 0U) | (in ? EPOLLIN : 0U));
}

static void closed(struct stream *stream)
{
    struct forward *forward = stream->state;
    watch_close(&forward->watch);
    buffer_free(&forward->waiting);
    free(forward);
}

static void fail(struct forward *forward, int error)
{
    stream_fail(forward->stream, error, "port %u: %s", forward->port, strerror(error));
}

static bool finish(struct forward *forward)
{
    bool over = !forward->reading && forward->shut;
    if (over)
        stream_done(forward->stream);
    return over;
}

/* Once all that was sent before has been written. */
static void shut_down(struct forward *forward)
{
    if (!forward->writing && !forward->shut && buffer_size(&forward->waiting) == 0) {
        shutdown(forward->watch.fd, SHUT_WR);
        forward->shut = true;
    }
}

/* How many of these bytes the server took; when it takes no more all count as taken, and it may still say something. */
static size_t write_bytes(struct forward *forward, const uint8_t *bytes, size_t size)
{
    ssize_t written = send(forward->watch.fd, bytes, size, MSG_NOSIGNAL);
    if (written < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    forward->deaf |= written < 0;
    size_t taken = written < 0 ? size : (size_t)written;
    stream_accept(forward->stream, (uint32_t)taken);
    return taken;
}

static void write_waiting(struct forward *forward)
{
    struct buffer *waiting = &forward->waiting;
    if (buffer_size(waiting) > 0)
        buffer_consume(waiting, write_bytes(forward, buffer_front(waiting), buffer_size(waiting)));
    buffer_rest(waiting);
}

static void send_data(struct forward *forward, const uint8_t *bytes, size_t size)
{
    struct stream *stream = forward->stream;
    struct frame frame = stream_frame(stream, DATA);
    frame_data(&frame, bytes, size);
    frame_close(&frame);
    stream->credit -= (uint32_t)size;
}

static void server_ended(struct forward *forward)
{
    struct frame frame = stream_frame(forward->stream, END);
    frame_close(&frame);
    forward->reading = false;
}

/* False: nothing more to read for now, or the stream has failed. */
static bool read_once(struct forward *forward)
{
    static uint8_t piece[CHUNK];
    uint32_t most = stream_room(forward->stream);
    if (!forward->reading || most == 0)
        return false;
    ssize_t size = recv(forward->watch.fd, piece, most, 0);
    if (size > 0)
        send_data(forward, piece, (size_t)size);
    else if (size == 0)
        server_ended(forward);
    else if (errno != EAGAIN && errno != EINTR)
        fail(forward, errno);
    return size == (ssize_t)most;
}

static void connected(struct forward *forward)
{
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(forward->watch.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
        fail(forward, error);
        return;
    }
    forward->connected = true;
    struct frame frame = stream_frame(forward->stream, OPENED);
    frame_number(&frame, 8, 0);
    frame_close(&frame);
}

static void carry(struct forward *forward)
{
    write_waiting(forward);
    shut_down(forward);
    for (unsigned i = 0; i < READS && read_once(forward); i++)
        ;
}

static void ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct forward *forward = LIST_OF(watch, struct forward, watch);
    struct stream *stream = forward->stream;
    if (!forward->connected)
        connected(forward);
    if (!stream->ended)
        carry(forward);
    if (!stream->ended && !finish(forward))
        adjust(forward);
}

static void data(struct stream *stream, const uint8_t *bytes, uint32_t size)
{
    struct forward *forward = stream->state;
    if (forward->deaf || !forward->writing) {
        stream_accept(stream, size);
        return;
    }
    size_t taken = forward->connected && buffer_size(&forward->waiting) == 0 ? write_bytes(forward, bytes, size) : 0;
    buffer_append(&forward->waiting, bytes + taken, size - taken);
    adjust(forward);
}

static void end(struct stream *stream)
{
    struct forward *forward = stream->state;
    forward->writing = false;
    if (forward->connected)
        shut_down(forward);
    if (!finish(forward))
        adjust(forward);
}

static void pump(struct stream *stream)
{
    adjust(stream->state);
}

static int begin_connecting(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    return fd;
}

void operation_connect(struct stream *stream, const struct field *fields)
{
    static const struct stream_type FORWARDING = {
        .pump = pump, .data = data, .end = end, .cancel = stream_done, .close = closed};
    uint16_t port = (uint16_t)fields[0].number;
    int fd = begin_connecting(port);
    if (fd < 0) {
        stream_fail(stream, errno, "port %u: %s", port, strerror(errno));
        return;
    }
    struct forward *forward = memory_new(sizeof *forward);
    *forward = (struct forward){.stream = stream, .port = port, .reading = true, .writing = true};
    stream_become(stream, &FORWARDING, forward);
    watch_init(&forward->watch, fd, ready);
    adjust(forward);
}
