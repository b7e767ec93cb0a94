/* What /proc tells of processes: proc(5). Only descendants of the agent count; as PID 1 it is everybody's ancestor. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, group, session;
    char state;
    char name[17];
    uint64_t resident; /* bytes */
    uint64_t born;     /* clock ticks since boot: tells a pid's owners apart */
};

struct processes {
    struct process *all;
    size_t count;
};

/* Free with `processes_free`. */
struct processes processes_scan(void);
void processes_free(struct processes *processes);

/* To every process of a session, whatever group it has moved to. */
void processes_signal(pid_t session, int signal);

/* Ends all descendants, and returns once they have been waited for. */
void processes_end(void);

/* Numbers of all processes in the sandbox, cheaply. */
unsigned processes_count(void);
