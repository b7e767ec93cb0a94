/*
 * Sessions: a process, the last of its output, and who reads it. Split by concern: session.c has their lives,
 * output.c what comes out, input.c what goes in, reader.c who is attached.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "list.h"
#include "loop.h"
#include "protocol.h"
#include "ring.h"
#include "stream.h"

enum { MAX_SESSION_NAME = 32, MAX_ARGV_SHOWN = 4096, OUTLETS = 2 };

struct session;

/* One descriptor that a process writes to. */
struct outlet {
    struct watch watch;
    enum channel channel;
    struct session *session;
};

struct session {
    struct list link;
    char name[MAX_SESSION_NAME + 1];
    pid_t pid;
    uint64_t started_s;
    char *argv_shown; /* texts one after the other, each ended by NUL */
    unsigned argv_count;
    bool terminal;

    bool running;  /* not waited for yet */
    bool finished; /* ended, and its output is complete */
    enum ending ending;
    bool memory_hit; /* the watchdog killed somebody of it */
    unsigned code, signal;
    struct timer timeout, linger, drain, expiry;
    uint64_t linger_ms;  /* 0: runs on without readers */
    int64_t drain_until;

    struct ring ring;
    struct outlet outlets[OUTLETS];
    struct list readers;

    struct watch input;
    struct list chunks; /* of input, that the process has not taken */
    size_t orphaned;    /* bytes of them that no reader answers for */
    uint8_t last_input;
};

/* NULL: there is none, and the stream has been told so. */
struct session *session_find(struct stream *stream, const char *name);
/* A new one without a process. NULL: it cannot be, and the stream has been told why. */
struct session *session_new(struct stream *stream, const char *name);
/* Its process runs: `argv` is for those who list it. */
void session_begin(struct session *session, pid_t pid, char *const *argv);
/* Kills it if it runs, dismisses its readers and frees it. */
void session_forget(struct session *session);
/* After its process has ended and its output is complete. */
void session_finish(struct session *session);
/* Starts or stops the clock of a session without readers. */
void session_readers_changed(struct session *session);
/* Waits for children that have ended; as PID 1 also for other people's. */
void sessions_reap(void);
/* The watchdog has killed a process. */
void sessions_memory_killed(pid_t pid, pid_t group, pid_t session);
unsigned sessions_running(void);
/* Drops kept output of ended sessions that nobody reads, the oldest first, while all rings together are too large. */
void sessions_trim(void);

/* output.c */
void output_open(struct outlet *outlet, struct session *session, enum channel channel, int fd);
/* Reads on, or not, after readers have moved, come or gone. */
void output_adjust(struct session *session);
void output_drain_init(struct session *session);
/* Its process has ended: what is still in the pipes is waited for a moment. */
void output_drain(struct session *session);
/* Descendants may hold the pipes still: whatever they write is read and dropped, so that they live on. */
void output_abandon(struct session *session);

/* input.c */
struct reader;
void input_open(struct session *session, int fd);
void input_add(struct session *session, struct reader *reader, const uint8_t *bytes, uint32_t size);
void input_end(struct session *session, struct reader *reader);
/* Nobody reads any more: all that waits counts as taken. */
void input_close(struct session *session);
/* A reader goes. Its untaken input goes with it (`drop`: it will send it again), or is delivered without it. */
void input_disown(struct session *session, struct reader *reader, bool drop);

/* reader.c */
/* Offset below which every reader has everything; UINT64_MAX: there is none. */
uint64_t readers_place(const struct session *session);
unsigned readers_connected(const struct session *session);
/* There is something for them: output or the end. */
void readers_wake(struct session *session);
/* The session is no more. */
void readers_dismiss(struct session *session);
/* `count` bytes of a reader's input were taken. NULL: it has gone. */
void reader_taken(struct reader *reader, uint32_t count);
