#include "connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory.h"
#include "operations.h"
#include "stream.h"

enum {
    MAX_CONNECTIONS = 32,
    MAX_STREAMS = 1024, /* of one connection */
    MAX_FIRST_FRAME = 64,
    MAX_EVENT = 64, /* bytes of its text */
    PATIENCE_MS = 5000,
    REST_MS = 1000,
    READ_SIZE = 128 << 10,
    ROOM = 256 << 10, /* bulk waits while more than this is unsent */
    FULL = 1 << 20,   /* and nothing new is read above this */
    BACKLOG = 64,
    PAUSE_MS = 100, /* of the listener, when there is no descriptor to be had */
    KEEP_IDLE_S = 30,
    KEEP_INTERVAL_S = 10,
    KEEP_PROBES = 3,
};

static struct list connections = {&connections, &connections};
static struct list dead = {&dead, &dead};
static unsigned connection_count;
static struct watch listener = {.fd = -1};
static struct timer listener_pause;
static uint8_t expected[TOKEN_BYTES];

void connections_token(const uint8_t token[TOKEN_BYTES])
{
    memcpy(expected, token, TOKEN_BYTES);
}

/* Takes as long for any wrong token. */
static bool token_right(const struct field *token)
{
    if (token->length != TOKEN_BYTES)
        return false;
    volatile uint8_t difference = 0;
    for (size_t i = 0; i < TOKEN_BYTES; i++)
        difference |= (uint8_t)token->text[i] ^ expected[i];
    return difference == 0;
}

bool connection_has_room(const struct connection *connection)
{
    return buffer_size(&connection->out) < ROOM;
}

void connection_close(struct connection *connection)
{
    if (connection->dead)
        return;
    connection->dead = true;
    connection_count--;
    watch_close(&connection->watch);
    timer_stop(&connection->patience);
    timer_stop(&connection->rest);
    list_remove(&connection->link);
    list_append(&dead, &connection->link);
    while (!list_empty(&connection->streams))
        stream_end(LIST_OF(connection->streams.next, struct stream, link));
}

void connections_sweep(void)
{
    while (!list_empty(&dead)) {
        struct connection *connection = LIST_OF(dead.next, struct connection, link);
        list_remove(&connection->link);
        buffer_free(&connection->in);
        buffer_free(&connection->out);
        free(connection);
    }
}

static void patience_over(struct timer *timer)
{
    connection_close(LIST_OF(timer, struct connection, patience));
}

static void rest(struct timer *timer)
{
    struct connection *connection = LIST_OF(timer, struct connection, rest);
    buffer_rest(&connection->in);
    buffer_rest(&connection->out);
}

static bool greet(struct connection *connection, const struct message *message)
{
    uint64_t version = message->fields[0].number;
    if (version < OLDEST || version > VERSION || !token_right(&message->fields[1]))
        return false;
    connection->welcome = true;
    timer_stop(&connection->patience);
    struct frame frame = frame_open(connection, 0, WELCOME);
    frame_number(&frame, 2, VERSION);
    frame_close(&frame);
    return true;
}

static struct stream *find(const struct connection *connection, uint32_t number)
{
    LIST_EACH (stream, &connection->streams, struct stream, link)
        if (stream->number == number)
            return stream;
    return NULL;
}

static bool begin(struct connection *connection, uint32_t number, operation does, const struct message *message)
{
    if (number <= connection->last_stream)
        return false;
    connection->last_stream = number;
    struct stream *stream = stream_new(connection, number);
    if (connection->stream_count > MAX_STREAMS)
        stream_fail(stream, EMFILE, "%d operations at once are the most on one connection", MAX_STREAMS);
    else
        does(stream, message->fields);
    return true;
}

static bool carry_on(struct connection *connection, uint32_t number, enum kind kind, const struct message *message)
{
    struct stream *stream = find(connection, number);
    if (stream == NULL)
        return number != 0 && number <= connection->last_stream;
    return stream_receive(stream, kind, message);
}

static bool deliver(struct connection *connection, uint32_t number, enum kind kind, const struct message *message)
{
    if (!connection->welcome)
        return kind == HELLO && number == 0 && greet(connection, message);
    operation does = operation_of(kind);
    return does ? begin(connection, number, does, message) : carry_on(connection, number, kind, message);
}

/* `frame` begins with its kind. */
static bool handle(struct connection *connection, uint8_t *frame, size_t size)
{
    uint32_t number = (uint32_t)number_read(frame + 1, 4);
    const char *layout = message_layout(frame[0]);
    if (layout == NULL)
        return false;
    struct message message;
    size_t head = HEAD_BYTES - SIZE_BYTES;
    bool good = message_parse(&message, layout, frame + head, size - head)
                && deliver(connection, number, frame[0], &message);
    message_free(&message);
    return good;
}

/* Whether the size of the frame at hand is one that may be. */
static bool size_right(const struct connection *connection, size_t size)
{
    return size >= HEAD_BYTES - SIZE_BYTES && size <= (connection->welcome ? MAX_FRAME : MAX_FIRST_FRAME);
}

static void take_frames(struct connection *connection)
{
    while (!connection->dead && buffer_size(&connection->in) >= SIZE_BYTES) {
        size_t size = number_read(buffer_front(&connection->in), SIZE_BYTES);
        if (!size_right(connection, size)) {
            connection_close(connection);
            return;
        }
        if (buffer_size(&connection->in) < SIZE_BYTES + size)
            return;
        if (!handle(connection, buffer_front(&connection->in) + SIZE_BYTES, size))
            connection_close(connection);
        buffer_consume(&connection->in, SIZE_BYTES + size);
    }
}

void connection_receive(struct connection *connection, const void *bytes, size_t size)
{
    buffer_append(&connection->in, bytes, size);
    take_frames(connection);
}

static void receive(struct connection *connection)
{
    if (!timer_running(&connection->rest))
        timer_start(&connection->rest, REST_MS);
    uint8_t *space = buffer_reserve(&connection->in, READ_SIZE);
    ssize_t size = read(connection->watch.fd, space, connection->welcome ? READ_SIZE : MAX_FIRST_FRAME);
    if (size > 0) {
        buffer_extend(&connection->in, (size_t)size);
        take_frames(connection);
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        connection_close(connection);
    }
}

static void send_out(struct connection *connection)
{
    bool had_room = connection_has_room(connection);
    while (buffer_size(&connection->out) > 0) {
        ssize_t size = write(connection->watch.fd, buffer_front(&connection->out), buffer_size(&connection->out));
        if (size < 0) {
            if (errno != EAGAIN && errno != EINTR)
                connection_close(connection);
            break;
        }
        buffer_consume(&connection->out, (size_t)size);
    }
    if (connection->dead || had_room || !connection_has_room(connection))
        return;
    LIST_EACH (stream, &connection->streams, struct stream, link)
        stream_run(stream);
}

static void ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = LIST_OF(watch, struct connection, watch);
    if (events & EPOLLOUT)
        send_out(connection);
    if (!connection->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(connection);
}

static void flush(struct connection *connection)
{
    send_out(connection);
    if (connection->dead)
        return;
    size_t unsent = buffer_size(&connection->out);
    watch_want(&connection->watch, (unsent < FULL ? EPOLLIN : 0U) | (unsent > 0 ? EPOLLOUT : 0U));
}

void connections_flush(void)
{
    LIST_EACH (connection, &connections, struct connection, link)
        flush(connection);
}

void connections_tell(enum event event, const char *text)
{
    LIST_EACH (connection, &connections, struct connection, link)
        if (connection->welcome) {
            struct frame frame = frame_open(connection, 0, HAPPENED);
            frame_number(&frame, 1, event);
            frame_text(&frame, text, MAX_EVENT);
            frame_close(&frame);
        }
}

struct connection *connection_new(int fd)
{
    struct connection *connection = memory_new(sizeof *connection);
    list_append(&connections, &connection->link);
    connection_count++;
    list_init(&connection->streams);
    watch_init(&connection->watch, fd, ready);
    watch_want(&connection->watch, EPOLLIN);
    timer_init(&connection->rest, rest);
    timer_init(&connection->patience, patience_over);
    timer_start(&connection->patience, PATIENCE_MS);
    return connection;
}

static void set(int fd, int level, int option, int value)
{
    /* What a kernel does not know does not matter: these only make a connection quicker or its loss known sooner. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Strangers, who have only a few seconds each, shall not keep the worker out: the oldest of them makes way. */
static bool make_way(void)
{
    LIST_EACH (connection, &connections, struct connection, link)
        if (!connection->welcome) {
            connection_close(connection);
            return true;
        }
    return false;
}

static void accept_one(struct watch *watch, uint32_t events)
{
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            watch_want(watch, 0);
            timer_start(&listener_pause, PAUSE_MS);
        }
        return;
    }
    if (connection_count >= MAX_CONNECTIONS && !make_way()) {
        close(fd);
        return;
    }
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
    connection_new(fd);
}

static void listen_again(struct timer *timer)
{
    (void)timer;
    watch_want(&listener, EPOLLIN);
}

int connections_listen(const struct sockaddr_in *address)
{
    struct sockaddr_in bound = *address;
    socklen_t size = sizeof bound;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (bind(fd, (struct sockaddr *)&bound, size) != 0 || listen(fd, BACKLOG) != 0
        || getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
        close(fd);
        return -1;
    }
    timer_init(&listener_pause, listen_again);
    watch_init(&listener, fd, accept_one);
    watch_want(&listener, EPOLLIN);
    return ntohs(bound.sin_port);
}
