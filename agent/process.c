#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"

enum { MAX_STAT = 1024, STEP = 64 };

static bool all_digits(const char *name)
{
    return *name != 0 && strspn(name, "0123456789") == strlen(name);
}

static ssize_t read_stat(int proc, const char *pid, char *text)
{
    char path[64];
    snprintf(path, sizeof path, "%.32s/stat", pid);
    int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size = read(fd, text, MAX_STAT - 1);
    close(fd);
    if (size > 0)
        text[size] = 0;
    return size;
}

/* "PID (NAME) S PPID PGRP SESSION ..."; a name may hold anything, parentheses too, but ends at the last one. */
static bool parse(char *text, struct process *process)
{
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    long pages = 0;
    unsigned long long born = 0;
    if (open == NULL || close == NULL || close < open)
        return false;
    *close = 0;
    process->pid = atoi(text);
    snprintf(process->name, sizeof process->name, "%s", open + 1);
    int fields = sscanf(close + 1,
                        " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu %*u %ld",
                        &process->state, &process->parent, &process->group, &process->session, &born, &pages);
    process->born = born;
    process->resident = pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return fields >= 4;
}

static void append(struct processes *processes, const struct process *process)
{
    if (processes->count % STEP == 0)
        processes->all = memory_resize(processes->all, (processes->count + STEP) * sizeof *processes->all);
    processes->all[processes->count++] = *process;
}

static struct processes scan_all(void)
{
    struct processes found = {0};
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        char text[MAX_STAT];
        struct process process;
        if (all_digits(entry->d_name) && read_stat(dirfd(proc), entry->d_name, text) > 0 && parse(text, &process))
            append(&found, &process);
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

/* Moves the children of those before `known`, and theirs, to the front; returns how many are at the front then. */
static size_t gather(struct processes *all, pid_t root)
{
    size_t known = 0;
    for (size_t next = 0; next <= known; next++) {
        pid_t parent = next == 0 ? root : all->all[next - 1].pid;
        for (size_t i = known; i < all->count; i++)
            if (all->all[i].parent == parent) {
                struct process child = all->all[i];
                all->all[i] = all->all[known];
                all->all[known++] = child;
            }
    }
    return known;
}

struct processes processes_scan(void)
{
    struct processes found = scan_all();
    found.count = gather(&found, getpid());
    return found;
}

void processes_free(struct processes *processes)
{
    free(processes->all);
    *processes = (struct processes){0};
}

void processes_signal(pid_t session, int signal)
{
    struct processes found = processes_scan();
    for (size_t i = 0; i < found.count; i++)
        if (found.all[i].session == session)
            kill(found.all[i].pid, signal);
    processes_free(&found);
}

/* The orphans of those who die become our children (PR_SET_CHILD_SUBREAPER), so that none gets away. */
void processes_end(void)
{
    do {
        struct processes found = processes_scan();
        for (size_t i = 0; i < found.count; i++)
            kill(found.all[i].pid, SIGKILL);
        processes_free(&found);
    } while (waitpid(-1, NULL, 0) > 0 || errno == EINTR);
}

unsigned processes_count(void)
{
    unsigned count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;)
        count += all_digits(entry->d_name);
    if (proc != NULL)
        closedir(proc);
    return count;
}
