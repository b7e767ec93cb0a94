#include "spawn.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "memory.h"

enum { STACK = 64 << 10, SOFT_FILES = 65536 };

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/*
 * The child runs in our memory until it has become another program (as in vfork(2)): a new process costs most in
 * gVisor when its memory has to be copied. So it allocates nothing and asks the kernel itself, past glibc.
 */
struct child {
    struct spawn *spawn;
    const char *path;
    char *candidate;    /* room for a directory of `path` and the program's name */
    char **script;      /* argv of a script without an interpreter */
    int error;
};

static struct rlimit files;
static bool dies_with_us;

void spawn_init(bool die_with_us)
{
    dies_with_us = die_with_us;
    getrlimit(RLIMIT_NOFILE, &files);
    struct rlimit ours = {files.rlim_max, files.rlim_max};
    setrlimit(RLIMIT_NOFILE, &ours);
    if (files.rlim_max > SOFT_FILES)
        files.rlim_cur = SOFT_FILES; /* some programs close every descriptor there may be */
}

static bool trouble(struct child *child, const char *failed, const char *object)
{
    child->error = errno;
    child->spawn->failed = failed;
    child->spawn->object = object;
    return false;
}

/* The handlers are ours, in memory that is not the child's; everything else is at its default already (main.c). */
static void forget_handlers(void)
{
    static const int HANDLED[] = {SIGCHLD, SIGPIPE, SIGTERM, SIGINT};
    static const struct sigaction STANDARD; /* SIG_DFL is zero */
    static const uint64_t NONE;
    for (size_t i = 0; i < sizeof HANDLED / sizeof *HANDLED; i++)
        sigaction(HANDLED[i], &STANDARD, NULL);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &NONE, NULL, sizeof NONE);
}

static bool take_descriptors(struct child *child)
{
    const struct spawn *spawn = child->spawn;
    if (spawn->terminal && ioctl(spawn->in, TIOCSCTTY, 0) != 0)
        return trouble(child, "cannot give a terminal to", spawn->argv[0]);
    if (dup2(spawn->in, 0) < 0 || dup2(spawn->out, 1) < 0 || dup2(spawn->error, 2) < 0)
        return trouble(child, "cannot pass descriptors to", spawn->argv[0]);
    return true;
}

/* Past glibc, whose wrappers also tell other threads; there are none, and its records are ours. */
static bool become_user(struct child *child)
{
    const struct account *account = child->spawn->account;
    if (geteuid() != 0 && account->uid == geteuid())
        return true;
    if (syscall(SYS_setgroups, account->group_count, account->groups) != 0
        || syscall(SYS_setresgid, account->gid, account->gid, account->gid) != 0
        || syscall(SYS_setresuid, account->uid, account->uid, account->uid) != 0)
        return trouble(child, "cannot become user", account->name);
    return true;
}

static bool enter_directory(struct child *child)
{
    const struct spawn *spawn = child->spawn;
    if (spawn->directory[0] != 0)
        return chdir(spawn->directory) == 0 || trouble(child, "cannot enter directory", spawn->directory);
    return chdir(spawn->account->home) == 0 || chdir("/") == 0 || trouble(child, "cannot enter directory", "/");
}

static void run_at(struct child *child, char *program)
{
    const struct spawn *spawn = child->spawn;
    execve(program, spawn->argv, spawn->environment);
    if (errno == ENOEXEC) {
        child->script[1] = program;
        execve(child->script[0], child->script, spawn->environment);
    }
}

/* As execvp(3): directories that do not have the program are passed over, one where it may not be run is remembered. */
static void run_searched(struct child *child, const char *name)
{
    bool forbidden = false;
    for (const char *at = child->path, *end; at != NULL; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ':');
        size_t length = (size_t)(end - at);
        memcpy(child->candidate, at, length);
        child->candidate[length] = '/';
        strcpy(child->candidate + (length > 0 ? length + 1 : 0), name);
        run_at(child, child->candidate);
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
            return;
        forbidden |= errno == EACCES;
    }
    errno = forbidden ? EACCES : ENOENT;
}

static void run_program(struct child *child)
{
    char *name = child->spawn->argv[0];
    if (strchr(name, '/') != NULL)
        run_at(child, name);
    else if (name[0] != 0)
        run_searched(child, name);
    else
        errno = ENOENT;
    trouble(child, "cannot run", name);
}

static int child_main(void *argument)
{
    struct child *child = argument;
    setsid();
    if (dies_with_us)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, NULL);
    if (take_descriptors(child) && become_user(child) && enter_directory(child)) {
        forget_handlers();
        run_program(child);
    }
    _exit(127);
}

static size_t argument_count(char *const *argv)
{
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    return count;
}

static void child_prepare(struct child *child, struct spawn *spawn)
{
    static char shell[] = "/bin/sh";
    const char *path = environment_get(spawn->environment, "PATH");
    *child = (struct child){.spawn = spawn, .path = path ? path : DEFAULT_PATH};
    child->candidate = memory_new(strlen(child->path) + strlen(spawn->argv[0]) + 2);
    size_t count = argument_count(spawn->argv);
    child->script = memory_new((count + 2) * sizeof *child->script);
    child->script[0] = shell;
    for (size_t i = 1; i <= count; i++)
        child->script[i + 1] = spawn->argv[i];
}

pid_t spawn(struct spawn *spawn)
{
    struct child child;
    sigset_t all, before;
    static uint8_t stack[STACK] __attribute__((aligned(16)));
    child_prepare(&child, spawn);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = clone(child_main, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
    if (pid < 0)
        trouble(&child, "cannot make a process for", spawn->argv[0]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(child.candidate);
    free(child.script);
    if (child.error == 0)
        return pid;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    errno = child.error;
    return -1;
}
