/* What a sandbox has to be told after every start and restore. */
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "connection.h"
#include "environment.h"
#include "loop.h"
#include "memory.h"
#include "operations.h"
#include "whole_file.h"

#define HOSTS "/etc/hosts"
#define OWN_ADDRESS "127.0.1.1\t"
#define LOCALHOST "127.0.0.1\tlocalhost\n"

enum { MAX_HOSTS = 1 << 20, MAX_HOSTNAME = 64, NANOSECONDS = 1000000000, MAX_ENTROPY = 4096 };

/* gVisor has no such call and needs none: its clock is the host's. */
static void set_clock(uint64_t time_ns)
{
    struct timespec time = {(time_t)(time_ns / NANOSECONDS), (long)(time_ns % NANOSECONDS)};
    if (time_ns != 0)
        (void)clock_settime(CLOCK_REALTIME, &time);
}

/* Where the kernel lets nobody credit entropy (gVisor: its pool is the host's), writing mixes it in at least. */
static void stir(const struct field *entropy)
{
    if (entropy->length == 0 || entropy->length > MAX_ENTROPY)
        return;
    int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    struct rand_pool_info *pool = memory_new(sizeof *pool + entropy->length);
    pool->entropy_count = (int)entropy->length * 8;
    pool->buf_size = (int)entropy->length;
    memcpy(pool->buf, entropy->text, entropy->length);
    if (ioctl(fd, RNDADDENTROPY, pool) != 0)
        (void)!write(fd, entropy->text, entropy->length);
    free(pool);
    close(fd);
}

static bool plain_name(const char *name)
{
    size_t length = strlen(name);
    return length <= MAX_HOSTNAME
           && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == length;
}

/* Others' lines stay, the one that we wrote for a former name goes. */
static bool write_hosts(const char *name)
{
    char *old = whole_file(HOSTS, MAX_HOSTS), *rest = old;
    size_t most = strlen(old) + strlen(LOCALHOST) + strlen(OWN_ADDRESS) + strlen(name) + 3;
    char *new = memory_new(most);
    size_t size = (size_t)snprintf(new, most, "%s", strstr(old, "localhost") ? "" : LOCALHOST);
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        if (*line != 0 && strncmp(line, OWN_ADDRESS, strlen(OWN_ADDRESS)) != 0)
            size += (size_t)snprintf(new + size, most - size, "%s\n", line);
    snprintf(new + size, most - size, OWN_ADDRESS "%s\n", name);
    bool good = whole_file_replace(HOSTS, new);
    int error = errno;
    free(old);
    free(new);
    errno = error;
    return good;
}

static bool set_name(const char *name)
{
    char line[MAX_HOSTNAME + 2];
    snprintf(line, sizeof line, "%s\n", name);
    return sethostname(name, strlen(name)) == 0 && whole_file_replace("/etc/hostname", line) && write_hosts(name);
}

/* An ordinary process is one of many on a machine that is not its own to configure. */
static bool own_machine(void)
{
    return getpid() == 1;
}

static bool check(struct stream *stream, const struct field *fields)
{
    if (!plain_name(fields[2].text))
        stream_fail(stream, EINVAL, "not a host name: %s", fields[2].text);
    else if (fields[3].length != 0 && fields[3].length != TOKEN_BYTES)
        stream_fail(stream, EINVAL, "a token has %d bytes", TOKEN_BYTES);
    else if (!environment_valid(fields[4].texts))
        stream_fail(stream, EINVAL, "the environment is not made of at most %d NAME=value", MAX_VARIABLES);
    else
        return true;
    return false;
}

void operation_configure(struct stream *stream, const struct field *fields)
{
    if (!check(stream, fields))
        return;
    if (fields[3].length != 0)
        connections_token((const uint8_t *)fields[3].text);
    environment_share(fields[4].texts);
    loop_rebuild(); /* a restore may have left epoll with registrations doubled or deaf */
    if (own_machine()) {
        set_clock(fields[0].number);
        stir(&fields[1]);
        if (fields[2].length != 0 && !set_name(fields[2].text)) {
            stream_fail(stream, errno, "cannot set the host name: %s", strerror(errno));
            return;
        }
    }
    stream_done(stream);
}
