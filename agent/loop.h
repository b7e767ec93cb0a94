/* The event loop: descriptors, timers, and nothing that blocks. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "list.h"

struct watch {
    int fd; /* -1: none */
    uint32_t wanted;
    void (*ready)(struct watch *watch, uint32_t events);
};

struct timer {
    struct list link;
    int64_t at;
    void (*expired)(struct timer *timer);
};

void loop_init(void);

/* Waits for something to happen, or not at all when `busy`, then calls who waits for it. */
void loop_turn(bool busy);

/* Makes a new epoll instance with all that is watched: for when the kernel's may not be what it was (a restore). */
void loop_rebuild(void);

/* Milliseconds that this machine has run. Time spent asleep or frozen does not count: no limit runs out meanwhile. */
int64_t loop_now(void);

void watch_init(struct watch *watch, int fd, void (*ready)(struct watch *, uint32_t));
/* EPOLLIN, EPOLLOUT or both; 0 takes the descriptor out of epoll, which would report a hang-up for ever. */
void watch_want(struct watch *watch, uint32_t events);
/* Forgets and closes; fine when there is none. */
void watch_close(struct watch *watch);
/* Forgets without closing; returns the descriptor. */
int watch_release(struct watch *watch);

void timer_init(struct timer *timer, void (*expired)(struct timer *));
void timer_start(struct timer *timer, int64_t milliseconds);
void timer_stop(struct timer *timer);
bool timer_running(const struct timer *timer);
