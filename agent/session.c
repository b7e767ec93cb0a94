#include "session.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "memory.h"
#include "operations.h"
#include "process.h"
#include "terminal.h"
#include "watchdog.h"

#ifndef FINISHED_GRACE_MS
#define FINISHED_GRACE_MS 300000
#endif

enum {
    RINGS = 64 << 20, /* bytes of all rings above which ended sessions lose theirs */
    KILLED_IN_SHELL = 128 + SIGKILL,
};

static struct list sessions = {&sessions, &sessions};
static unsigned running;

unsigned sessions_running(void)
{
    return running;
}

static struct session *find(const char *name)
{
    LIST_EACH (session, &sessions, struct session, link)
        if (strcmp(session->name, name) == 0)
            return session;
    return NULL;
}

struct session *session_find(struct stream *stream, const char *name)
{
    struct session *session = find(name);
    if (session == NULL)
        stream_fail(stream, ESRCH, "there is no session %.*s", MAX_SESSION_NAME, name);
    return session;
}

/* Every process of it, also in groups of their own, such as the jobs of a shell. */
static void kill_all(const struct session *session)
{
    kill(-session->pid, SIGKILL);
    processes_signal(session->pid, SIGKILL);
}

static void end(struct session *session, enum ending reason)
{
    session->ending = reason;
    kill_all(session);
}

static void timeout_over(struct timer *timer)
{
    end(LIST_OF(timer, struct session, timeout), ENDING_TIMEOUT);
}

static void linger_over(struct timer *timer)
{
    end(LIST_OF(timer, struct session, linger), ENDING_LINGER);
}

static void expired(struct timer *timer)
{
    struct session *session = LIST_OF(timer, struct session, expiry);
    if (readers_connected(session) > 0)
        timer_start(timer, FINISHED_GRACE_MS);
    else
        session_forget(session);
}

void session_readers_changed(struct session *session)
{
    timer_stop(&session->linger);
    if (session->running && session->linger_ms > 0 && readers_connected(session) == 0)
        timer_start(&session->linger, (int64_t)session->linger_ms);
}

void session_forget(struct session *session)
{
    if (session->running) {
        kill_all(session);
        session->running = false;
        running--;
    }
    readers_dismiss(session);
    input_close(session);
    output_abandon(session);
    timer_stop(&session->timeout);
    timer_stop(&session->linger);
    timer_stop(&session->drain);
    timer_stop(&session->expiry);
    list_remove(&session->link);
    ring_clear(&session->ring);
    free(session->argv_shown);
    free(session);
}

/* The one that ended first among those nobody reads makes way. */
static bool make_way(void)
{
    LIST_EACH (session, &sessions, struct session, link)
        if (session->finished && readers_connected(session) == 0) {
            session_forget(session);
            return true;
        }
    return false;
}

static bool may_be(struct stream *stream, const char *name)
{
    if (name[0] == 0 || strlen(name) > MAX_SESSION_NAME)
        stream_fail(stream, EINVAL, "a session's name has 1 to %d bytes", MAX_SESSION_NAME);
    else if (find(name) != NULL)
        stream_fail(stream, EEXIST, "session %s exists", name);
    else if (list_size(&sessions) >= MAX_SESSIONS && !make_way())
        stream_fail(stream, EAGAIN, "%d sessions run, more are not allowed", MAX_SESSIONS);
    else
        return true;
    return false;
}

struct session *session_new(struct stream *stream, const char *name)
{
    if (!may_be(stream, name))
        return NULL;
    struct session *session = memory_new(sizeof *session);
    memcpy(session->name, name, strlen(name));
    list_init(&session->readers);
    list_init(&session->chunks);
    timer_init(&session->timeout, timeout_over);
    timer_init(&session->linger, linger_over);
    timer_init(&session->expiry, expired);
    output_drain_init(session);
    session->input.fd = session->outlets[0].watch.fd = session->outlets[1].watch.fd = -1;
    list_append(&sessions, &session->link);
    return session;
}

static void show(struct session *session, char *const *argv)
{
    size_t size = 0;
    session->argv_shown = memory_new(MAX_ARGV_SHOWN);
    for (; *argv != NULL && size < MAX_ARGV_SHOWN; argv++) {
        size_t left = MAX_ARGV_SHOWN - 1 - size, length = strlen(*argv);
        if (length > left)
            length = utf8_valid((const uint8_t *)*argv, left);
        memcpy(session->argv_shown + size, *argv, length);
        size += length + 1;
        session->argv_count++;
    }
    session->argv_shown = memory_resize(session->argv_shown, size);
}

void session_begin(struct session *session, pid_t pid, char *const *argv)
{
    session->pid = pid;
    session->started_s = (uint64_t)time(NULL);
    session->running = true;
    running++;
    show(session, argv);
    watchdog_wake();
}

void session_finish(struct session *session)
{
    session->finished = true;
    timer_stop(&session->drain);
    output_abandon(session);
    timer_start(&session->expiry, FINISHED_GRACE_MS);
    readers_wake(session);
}

/* A shell hands on what happened to its command as 128 + signal. */
static enum ending ending_of(const struct session *session, int status)
{
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (killed && session->ending != ENDING_EXIT)
        return session->ending;
    if (session->memory_hit && (killed || (WIFEXITED(status) && WEXITSTATUS(status) == KILLED_IN_SHELL)))
        return ENDING_MEMORY;
    return WIFSIGNALED(status) ? ENDING_SIGNAL : ENDING_EXIT;
}

static void ended(struct session *session, int status)
{
    running--;
    session->running = false;
    session->ending = ending_of(session, status);
    session->code = WIFEXITED(status) ? (unsigned)WEXITSTATUS(status) : 0;
    session->signal = WIFSIGNALED(status) ? (unsigned)WTERMSIG(status) : 0;
    if (session->ending == ENDING_MEMORY)
        session->signal = SIGKILL;
    timer_stop(&session->timeout);
    timer_stop(&session->linger);
    input_close(session);
    output_drain(session);
}

static struct session *of_process(pid_t pid)
{
    LIST_EACH (session, &sessions, struct session, link)
        if (session->running && session->pid == pid)
            return session;
    return NULL;
}

void sessions_reap(void)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        struct session *session = of_process(pid);
        if (session != NULL)
            ended(session, status);
    }
}

void sessions_memory_killed(pid_t pid, pid_t group, pid_t leader)
{
    LIST_EACH (session, &sessions, struct session, link)
        session->memory_hit |= session->pid == pid || session->pid == group || session->pid == leader;
}

void sessions_trim(void)
{
    if (ring_memory() <= RINGS)
        return;
    LIST_EACH (session, &sessions, struct session, link)
        if (session->finished && list_empty(&session->readers) && ring_memory() > RINGS)
            ring_clear(&session->ring);
}

static void tell(struct stream *stream, const struct session *session)
{
    struct frame frame = stream_frame(stream, SESSION);
    frame_text(&frame, session->name, MAX_SESSION_NAME);
    frame_number(&frame, 4, (uint64_t)session->pid);
    frame_number(&frame, 4, session->argv_count);
    const char *text = session->argv_shown;
    for (unsigned i = 0; i < session->argv_count; i++, text += strlen(text) + 1)
        frame_data(&frame, text, strlen(text));
    frame_number(&frame, 8, session->started_s);
    frame_number(&frame, 1, !session->finished);
    frame_number(&frame, 4, session->code);
    frame_number(&frame, 1, session->ending);
    frame_number(&frame, 2, session->signal);
    frame_number(&frame, 4, readers_connected(session));
    frame_number(&frame, 1, session->terminal);
    frame_number(&frame, 8, session->ring.end);
    frame_close(&frame);
}

void operation_sessions(struct stream *stream, const struct field *fields)
{
    (void)fields;
    LIST_EACH (session, &sessions, struct session, link)
        tell(stream, session);
    stream_done(stream);
}

void operation_signal(struct stream *stream, const struct field *fields)
{
    const struct session *session = session_find(stream, fields[0].text);
    if (session == NULL)
        return;
    if (session->running && kill(-session->pid, (int)fields[1].number) != 0)
        stream_fail(stream, errno, "cannot send signal %u to session %s: %s", (unsigned)fields[1].number,
                    session->name, strerror(errno));
    else
        stream_done(stream);
}

void operation_resize(struct stream *stream, const struct field *fields)
{
    const struct session *session = session_find(stream, fields[0].text);
    if (session == NULL)
        return;
    if (!session->terminal)
        stream_fail(stream, ENOTTY, "session %s has no terminal", session->name);
    else if (session->running
             && !terminal_resize(session->input.fd, session->pid, (uint16_t)fields[1].number,
                                 (uint16_t)fields[2].number))
        stream_fail(stream, errno, "cannot resize the terminal of session %s: %s", session->name, strerror(errno));
    else
        stream_done(stream);
}

void operation_forget(struct stream *stream, const struct field *fields)
{
    struct session *session = session_find(stream, fields[0].text);
    if (session == NULL)
        return;
    session_forget(session);
    stream_done(stream);
}
