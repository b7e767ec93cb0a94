#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "environment.h"
#include "operations.h"
#include "session.h"
#include "spawn.h"
#include "terminal.h"

enum { PIPE_SIZE = 256 << 10 };

struct request {
    const char *name;
    char *const *argv;
    char *const *environment;
    const char *directory, *user;
    bool terminal, input;
    uint16_t rows, columns;
    uint64_t timeout_ms, linger_ms;
};

/* Both sides of a process's stdin, stdout and stderr; -1: none. */
struct ends {
    int ours[3], its[3];
};

static const struct ends CLOSED = {{-1, -1, -1}, {-1, -1, -1}};

static struct request request_of(const struct field *fields)
{
    return (struct request){
        .name = fields[0].text,
        .argv = fields[1].texts,
        .environment = fields[2].texts,
        .directory = fields[3].text,
        .user = fields[4].text,
        .terminal = fields[5].number,
        .rows = (uint16_t)fields[6].number,
        .columns = (uint16_t)fields[7].number,
        .input = fields[8].number,
        .timeout_ms = fields[9].number,
        .linger_ms = fields[10].number,
    };
}

static void close_all(const int descriptors[3])
{
    for (unsigned i = 0; i < 3; i++) {
        bool again = (i > 0 && descriptors[i] == descriptors[0]) || (i == 2 && descriptors[2] == descriptors[1]);
        if (descriptors[i] >= 0 && !again)
            close(descriptors[i]);
    }
}

static bool open_terminal(struct ends *ends, const struct request *request, uid_t owner)
{
    int slave;
    if (!terminal_open(&ends->ours[0], &slave, owner))
        return false;
    ends->its[0] = ends->its[1] = ends->its[2] = slave;
    /* Two descriptors, since each is watched for itself. */
    ends->ours[1] = fcntl(ends->ours[0], F_DUPFD_CLOEXEC, 3);
    return ends->ours[1] >= 0 && terminal_resize(ends->ours[0], 0, request->rows, request->columns);
}

/* `reading`: the process reads from it. */
static bool open_pipe(struct ends *ends, unsigned which, bool reading)
{
    int both[2];
    if (pipe2(both, O_CLOEXEC) != 0)
        return false;
    ends->its[which] = both[reading ? 0 : 1];
    ends->ours[which] = both[reading ? 1 : 0];
    if (!reading) /* a larger pipe is only quicker */
        (void)fcntl(ends->ours[which], F_SETPIPE_SZ, PIPE_SIZE);
    return fcntl(ends->ours[which], F_SETFL, O_NONBLOCK) == 0;
}

static bool open_nothing(struct ends *ends)
{
    ends->its[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return ends->its[0] >= 0;
}

static bool open_ends(struct ends *ends, const struct request *request, uid_t owner)
{
    *ends = CLOSED;
    bool good = request->terminal
                    ? open_terminal(ends, request, owner)
                    : (request->input ? open_pipe(ends, 0, true) : open_nothing(ends)) && open_pipe(ends, 1, false)
                          && open_pipe(ends, 2, false);
    if (!good) {
        int error = errno;
        close_all(ends->ours);
        close_all(ends->its);
        errno = error;
    }
    return good;
}

static pid_t run(struct stream *stream, const struct request *request, const struct account *account,
                 const struct ends *ends)
{
    char **environment = environment_build(account, request->terminal, request->environment);
    struct spawn plan = {
        .argv = request->argv,
        .environment = environment,
        .directory = request->directory,
        .account = account,
        .in = ends->its[0],
        .out = ends->its[1],
        .error = ends->its[2],
        .terminal = request->terminal,
    };
    pid_t pid = spawn(&plan);
    if (pid < 0)
        stream_fail(stream, errno, "%s %s: %s", plan.failed, plan.object, strerror(errno));
    environment_free(environment);
    return pid;
}

static void begin(struct session *session, const struct request *request, const struct ends *ends, pid_t pid)
{
    session->terminal = request->terminal;
    session->linger_ms = request->linger_ms;
    session_begin(session, pid, request->argv);
    input_open(session, ends->ours[0]);
    output_open(&session->outlets[0], session, STDOUT, ends->ours[1]);
    output_open(&session->outlets[1], session, STDERR, ends->ours[2]);
    if (request->timeout_ms > 0)
        timer_start(&session->timeout, request->timeout_ms > INT64_MAX ? INT64_MAX : (int64_t)request->timeout_ms);
}

static bool check(struct stream *stream, const struct request *request, struct account *account)
{
    if (request->argv[0] == NULL)
        stream_fail(stream, EINVAL, "there is no program to run");
    else if (!environment_valid(request->environment))
        stream_fail(stream, EINVAL, "the environment is not made of at most %d NAME=value", MAX_VARIABLES);
    else if (!account_find(account, request->user))
        stream_fail(stream, EINVAL, "there is no user %s", request->user);
    else
        return true;
    return false;
}

void operation_start(struct stream *stream, const struct field *fields)
{
    struct request request = request_of(fields);
    struct account account;
    struct ends ends;
    struct session *session = check(stream, &request, &account) ? session_new(stream, request.name) : NULL;
    if (session == NULL)
        return;
    if (!open_ends(&ends, &request, account.uid)) {
        stream_fail(stream, errno, "cannot open pipes or a terminal: %s", strerror(errno));
        session_forget(session);
        return;
    }
    pid_t pid = run(stream, &request, &account, &ends);
    close_all(ends.its);
    if (pid < 0) {
        close_all(ends.ours);
        session_forget(session);
        return;
    }
    begin(session, &request, &ends, pid);
    struct frame frame = stream_frame(stream, STARTED);
    frame_number(&frame, 4, (uint64_t)pid);
    frame_close(&frame);
    stream_done(stream);
}
