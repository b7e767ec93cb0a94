#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "memory.h"
#include "session.h"

enum {
    READS = 2,           /* of one descriptor in a turn */
    MOST_READ = 256 << 10, /* at once */
    QUIET_MS = 200,
    DRAIN_MS = 5000, /* the longest that descendants who go on writing can hold up the end of a session */
    MAX_ABANDONED = 512,
};

/* A pipe that outlived its session. */
struct abandoned {
    struct list link;
    struct watch watch;
};

static struct list all_abandoned = {&all_abandoned, &all_abandoned};
static unsigned abandoned_count;
static uint8_t scratch[MOST_READ];

/* How many bytes may be read now: no reader's next byte is ever overwritten. */
static size_t room(const struct session *session)
{
    uint64_t place = readers_place(session);
    if (place == UINT64_MAX)
        return sizeof scratch;
    uint64_t held = session->ring.end - place;
    size_t left = held >= RING ? 0 : (size_t)(RING - held);
    return left < sizeof scratch ? left : sizeof scratch;
}

static bool open_outlets(const struct session *session)
{
    return session->outlets[0].watch.fd >= 0 || session->outlets[1].watch.fd >= 0;
}

void output_adjust(struct session *session)
{
    if (session->finished)
        return;
    uint32_t wanted = room(session) > 0 ? EPOLLIN : 0;
    for (unsigned i = 0; i < OUTLETS; i++)
        watch_want(&session->outlets[i].watch, wanted);
}

static void complete(struct session *session)
{
    if (!session->running && !session->finished && !open_outlets(session))
        session_finish(session);
}

static void take(struct outlet *outlet, size_t size)
{
    struct session *session = outlet->session;
    ring_append(&session->ring, outlet->channel, scratch, size);
    if (timer_running(&session->drain) && loop_now() < session->drain_until)
        timer_start(&session->drain, QUIET_MS);
}

/* False: there is nothing more to be read for now. */
static bool read_once(struct outlet *outlet)
{
    size_t most = room(outlet->session);
    if (most == 0)
        return false;
    ssize_t size = read(outlet->watch.fd, scratch, most);
    if (size > 0)
        take(outlet, (size_t)size);
    else if (size == 0 || (errno != EAGAIN && errno != EINTR))
        watch_close(&outlet->watch); /* EIO is the end of a terminal */
    return size == (ssize_t)most;
}

static void ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct outlet *outlet = LIST_OF(watch, struct outlet, watch);
    struct session *session = outlet->session;
    for (unsigned i = 0; i < READS && read_once(outlet); i++)
        ;
    sessions_trim();
    output_adjust(session);
    readers_wake(session);
    complete(session);
}

void output_open(struct outlet *outlet, struct session *session, enum channel channel, int fd)
{
    watch_init(&outlet->watch, fd, ready);
    outlet->channel = channel;
    outlet->session = session;
    watch_want(&outlet->watch, EPOLLIN);
}

static void drain_over(struct timer *timer)
{
    struct session *session = LIST_OF(timer, struct session, drain);
    if (room(session) == 0)
        timer_start(timer, QUIET_MS); /* a reader holds it up, not the process */
    else
        session_finish(session);
}

void output_drain_init(struct session *session)
{
    timer_init(&session->drain, drain_over);
}

void output_drain(struct session *session)
{
    timer_start(&session->drain, QUIET_MS);
    session->drain_until = loop_now() + DRAIN_MS;
    complete(session);
}

static void abandoned_free(struct abandoned *abandoned)
{
    watch_close(&abandoned->watch);
    list_remove(&abandoned->link);
    abandoned_count--;
    free(abandoned);
}

static void abandoned_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    ssize_t size = read(watch->fd, scratch, sizeof scratch);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
        abandoned_free(LIST_OF(watch, struct abandoned, watch));
}

static void abandon(int fd)
{
    if (abandoned_count == MAX_ABANDONED)
        abandoned_free(LIST_OF(all_abandoned.next, struct abandoned, link));
    struct abandoned *abandoned = memory_new(sizeof *abandoned);
    list_append(&all_abandoned, &abandoned->link);
    abandoned_count++;
    watch_init(&abandoned->watch, fd, abandoned_ready);
    watch_want(&abandoned->watch, EPOLLIN);
}

void output_abandon(struct session *session)
{
    for (unsigned i = 0; i < OUTLETS; i++) {
        int fd = watch_release(&session->outlets[i].watch);
        if (fd >= 0)
            abandon(fd);
    }
}
