#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

enum {
    BATCH = 64,
    STALE_TURNS = 3, /* an event for what this very turn has closed is normal, turn after turn of them is not */
    JUMP_MS = 2000,  /* later than this the machine must have been asleep */
};

/* Registrations by descriptor. An event names the generation of its registration: a former one's counts for nothing. */
struct slot {
    struct watch *watch;
    uint32_t generation;
};

static struct slot *slots;
static size_t slot_count;
static uint32_t last_generation;
static int epoll_fd = -1;
static unsigned stale_turns;

static struct list timers;
static int64_t clock_last, clock_asleep; /* ms */

static int64_t clock_read(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int64_t loop_now(void)
{
    return clock_last - clock_asleep;
}

/* gVisor's monotonic clock jumps over the time that a sandbox has slept. */
static void clock_advance(int waited)
{
    int64_t now = clock_read();
    int64_t passed = now - clock_last;
    if (waited >= 0 && passed > waited + JUMP_MS)
        clock_asleep += passed - waited;
    clock_last = now;
}

static void epoll_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        abort();
}

void loop_init(void)
{
    list_init(&timers);
    clock_last = clock_read();
    epoll_open();
}

/* A restored epoll may know registrations that we do not (EEXIST), or not know those that we have made (ENOENT). */
static void enlist(int fd, const struct slot *slot, int operation)
{
    struct epoll_event event = {
        .events = slot->watch->wanted,
        .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)fd,
    };
    if (epoll_ctl(epoll_fd, operation, fd, &event) != 0 && (errno == EEXIST || errno == ENOENT))
        epoll_ctl(epoll_fd, operation == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

void loop_rebuild(void)
{
    close(epoll_fd);
    epoll_open();
    for (size_t fd = 0; fd < slot_count; fd++)
        if (slots[fd].watch != NULL)
            enlist((int)fd, &slots[fd], EPOLL_CTL_ADD);
}

static struct slot *slot_of(int fd)
{
    size_t needed = (size_t)fd + 1;
    if (needed > slot_count) {
        size_t count = (needed + 63) & ~(size_t)63;
        slots = memory_resize(slots, count * sizeof *slots);
        while (slot_count < count)
            slots[slot_count++] = (struct slot){0};
    }
    return &slots[fd];
}

void watch_init(struct watch *watch, int fd, void (*ready)(struct watch *, uint32_t))
{
    *watch = (struct watch){.fd = fd, .ready = ready};
}

void watch_want(struct watch *watch, uint32_t events)
{
    if (watch->fd < 0 || watch->wanted == events)
        return;
    struct slot *slot = slot_of(watch->fd);
    int operation = watch->wanted == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    watch->wanted = events;
    if (events == 0) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
        slot->watch = NULL;
        return;
    }
    if (operation == EPOLL_CTL_ADD)
        *slot = (struct slot){watch, ++last_generation};
    enlist(watch->fd, slot, operation);
}

int watch_release(struct watch *watch)
{
    int fd = watch->fd;
    watch_want(watch, 0);
    watch->fd = -1;
    return fd;
}

void watch_close(struct watch *watch)
{
    int fd = watch_release(watch);
    if (fd >= 0)
        close(fd);
}

void timer_init(struct timer *timer, void (*expired)(struct timer *))
{
    list_init(&timer->link);
    timer->expired = expired;
}

void timer_start(struct timer *timer, int64_t milliseconds)
{
    timer_stop(timer);
    timer->at = milliseconds > INT64_MAX / 2 ? INT64_MAX : loop_now() + milliseconds;
    list_append(&timers, &timer->link);
}

void timer_stop(struct timer *timer)
{
    list_remove(&timer->link);
}

bool timer_running(const struct timer *timer)
{
    return !list_empty(&timer->link);
}

static int until_first_timer(void)
{
    int64_t first = INT64_MAX;
    LIST_EACH (timer, &timers, struct timer, link)
        if (timer->at < first)
            first = timer->at;
    if (first == INT64_MAX)
        return -1;
    int64_t left = first - loop_now();
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* One at a time: what expires may stop any other. */
static bool expire_one(void)
{
    LIST_EACH (timer, &timers, struct timer, link)
        if (timer->at <= loop_now()) {
            timer_stop(timer);
            timer->expired(timer);
            return true;
        }
    return false;
}

static bool dispatch(const struct epoll_event *event)
{
    uint32_t fd = (uint32_t)event->data.u64;
    if (fd >= slot_count || slots[fd].watch == NULL || slots[fd].generation != event->data.u64 >> 32)
        return false;
    slots[fd].watch->ready(slots[fd].watch, event->events);
    return true;
}

void loop_turn(bool busy)
{
    struct epoll_event events[BATCH];
    sigset_t none;
    sigemptyset(&none);
    int limit = busy ? 0 : until_first_timer();
    int count = epoll_pwait(epoll_fd, events, BATCH, limit, &none);
    if (count < 0 && errno != EINTR)
        loop_rebuild();
    clock_advance(limit);
    bool stale = false;
    for (int i = 0; i < count; i++)
        stale |= !dispatch(&events[i]);
    while (expire_one())
        ;
    stale_turns = stale ? stale_turns + 1 : 0;
    if (stale_turns >= STALE_TURNS) {
        stale_turns = 0;
        loop_rebuild();
    }
}
