#include "watchdog.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "connection.h"
#include "loop.h"
#include "meminfo.h"
#include "process.h"
#include "session.h"

enum {
    MEGABYTE = 1 << 20,
    HEADROOM_MB = 24,
    HEADROOM_PERCENT = 6,
    PROCESS_KB = 512, /* that a process costs outside of the sandbox's own accounts (0.4 MB measured) */
    PROCESS_MB = 4, /* that a small program needs in all: without a setting their number follows from it */
    FEWEST_PROCESSES = 100,
    MAX_PROCESSES = 2000,
    MANY = 32,   /* processes, with which looking at each takes a while */
    GROWTH = 16,     /* processes more than at the last look, or ... */
    SHRINKAGE_MB = 8, /* ... memory less: the next one comes soon */
    SHORTEST_MS = 10,
    LONGEST_MS = 400,
    MB_PER_MS = 2, /* no program fills memory faster; half of that is what we count on */
    STUCK_MS = 5000,
    SETTLE_MS = 300, /* from the death of a process until its memory counts as free everywhere */
    PASSES = 10,
    ROUNDS = 100,
    QUIET_ROUNDS = 3,
    ROUND_US = 1000,
    MAX_WORDS = 64,
};

struct usage {
    uint64_t available; /* bytes */
    unsigned processes; /* as PID 1 with their threads: that is cheap to know */
};

/* Who was killed last; nobody else is while it dies. */
struct victim {
    pid_t pid; /* 0: nobody */
    uint64_t born;
    int64_t killed_at, gone_at;
};

static bool is_init;
static uint64_t limit; /* bytes; 0: off */
static bool told; /* the limit, while we run: the machine may have grown */
static unsigned most_processes, alarm_at;
static struct usage before;
static unsigned kills;
static struct timer timer;
static struct victim victim;

unsigned watchdog_kills(void)
{
    return kills;
}

uint64_t watchdog_memory(const struct meminfo *memory)
{
    return limit != 0 && (told || limit < memory->total) ? limit : memory->total;
}

static uint64_t setting(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t headroom(void)
{
    uint64_t share = limit / 100 * HEADROOM_PERCENT, least = (uint64_t)HEADROOM_MB * MEGABYTE;
    uint64_t wanted = share > least ? share : least;
    return wanted < limit / 4 ? wanted : limit / 4;
}

static uint64_t less(uint64_t from, uint64_t what)
{
    return from > what ? from - what : 0;
}

/* In gVisor MemTotal stays what it was at the start, and nothing is available any more once that much is used. What a
 * machine that has grown uses beyond, only its lists of pages tell. */
uint64_t watchdog_used(const struct meminfo *memory)
{
    uint64_t used = less(memory->total, memory->available);
    return told && limit > memory->total && memory->listed > used ? memory->listed : used;
}

static unsigned count_threads(void)
{
    struct sysinfo info = {0};
    sysinfo(&info);
    return info.procs;
}

static uint64_t available_beside(const struct meminfo *memory, unsigned processes)
{
    uint64_t used = watchdog_used(memory) + (uint64_t)processes * PROCESS_KB * 1024;
    return less(watchdog_memory(memory), used);
}

/* Threads cost less than processes, so where it matters which they are the processes are counted. */
static struct usage of_machine(void)
{
    struct meminfo memory = meminfo_read();
    struct usage usage = {.processes = count_threads()};
    usage.available = available_beside(&memory, usage.processes);
    if (usage.available < headroom())
        usage.available = available_beside(&memory, processes_count());
    return usage;
}

static struct usage of_descendants(void)
{
    struct processes found = processes_scan();
    uint64_t used = 0;
    for (size_t i = 0; i < found.count; i++)
        used += found.all[i].resident;
    struct usage usage = {less(limit, used), (unsigned)found.count};
    processes_free(&found);
    return usage;
}

static bool dead(const struct process *process)
{
    return process->state == 'Z' || process->state == 'X';
}

static void kill_one(const struct process *process)
{
    char words[MAX_WORDS];
    sessions_memory_killed(process->pid, process->group, process->session);
    kill(process->pid, SIGKILL);
    kills++;
    snprintf(words, sizeof words, "%d %s", process->pid, process->name);
    connections_tell(EVENT_MEMORY_KILL, words);
}

/* Groups first: a group is killed in one step, and whoever forks in it meanwhile dies too. */
static size_t kill_members(const struct processes *found, pid_t session)
{
    size_t members = 0;
    pid_t killed = 0;
    for (size_t i = 0; i < found->count; i++) {
        const struct process *process = &found->all[i];
        if (process->session != session || dead(process))
            continue;
        if (process->group > 1 && process->group != killed)
            kill(-process->group, SIGKILL);
        killed = process->group;
        kill(process->pid, SIGKILL);
        members++;
    }
    return members;
}

/* `known` is the largest of its processes, for the record. */
static void kill_session(const struct process *known)
{
    kill_one(known);
    size_t members = 1;
    for (unsigned pass = 0; pass < PASSES && members > 0; pass++) {
        struct processes found = processes_scan();
        members = kill_members(&found, known->session);
        processes_free(&found);
    }
}

static uint64_t weight_of_session(const struct processes *found, pid_t session, bool by_memory)
{
    uint64_t weight = 0;
    for (size_t i = 0; i < found->count; i++)
        if (found->all[i].session == session && !dead(&found->all[i]))
            weight += by_memory ? found->all[i].resident : 1;
    return weight;
}

/* The first found process of the session that weighs most; NULL: there is none of at least `least`. */
static const struct process *heaviest_session(const struct processes *found, bool by_memory, uint64_t least)
{
    const struct process *heaviest = NULL;
    pid_t last = -1;
    for (size_t i = 0; i < found->count; i++) {
        pid_t session = found->all[i].session;
        if (session == last || dead(&found->all[i]))
            continue;
        last = session;
        uint64_t weight = weight_of_session(found, session, by_memory);
        if (weight >= least) {
            least = weight + 1;
            heaviest = &found->all[i];
        }
    }
    return heaviest;
}

static const struct process *largest(const struct processes *found)
{
    const struct process *largest = NULL;
    for (size_t i = 0; i < found->count; i++)
        if (!dead(&found->all[i]) && (largest == NULL || found->all[i].resident > largest->resident))
            largest = &found->all[i];
    return largest;
}

static void remember(const struct process *process)
{
    victim = (struct victim){.pid = process->pid, .born = process->born, .killed_at = loop_now()};
}

/* One large process, else many small ones that belong together; where neither is to blame nobody is killed: memory
 * may be taken by files in a tmpfs, which no kill would free. */
static void kill_somebody(const struct processes *found)
{
    const struct process *large = largest(found);
    if (large != NULL && large->resident >= limit / 16) {
        remember(large);
        kill_one(large);
        return;
    }
    const struct process *member = heaviest_session(found, true, limit / 8);
    if (member != NULL) {
        remember(member);
        kill_session(member);
    }
}

static bool still_there(const struct processes *found)
{
    for (size_t i = 0; i < found->count; i++)
        if (found->all[i].pid == victim.pid && found->all[i].born == victim.born)
            return !dead(&found->all[i]);
    return false;
}

/* Whether the last victim is dying still, or its memory may not show as free yet. */
static bool wait_for_victim(const struct processes *found)
{
    if (victim.pid == 0)
        return false;
    if (still_there(found))
        return loop_now() - victim.killed_at < STUCK_MS;
    if (victim.gone_at == 0)
        victim.gone_at = loop_now();
    return loop_now() - victim.gone_at < SETTLE_MS;
}

static void relieve_memory(void)
{
    struct processes found = processes_scan();
    if (!wait_for_victim(&found))
        kill_somebody(&found);
    processes_free(&found);
}

static void relieve_processes(void)
{
    struct processes found = processes_scan();
    /* Those that were killed before may be dying still; a session with few is not to blame. */
    const struct process *member = heaviest_session(&found, false, most_processes / 4 + 1);
    if (member != NULL)
        kill_session(member);
    processes_free(&found);
}

/*
 * Hundreds of busy processes would leave us no time to find the culprit, so all wait for it. In gVisor a child that is
 * just being made misses the signal: it is sent until nobody new appears. As an ordinary process we are not alone on
 * the machine, and kill(2) of -1 would reach everybody there.
 */
static void stop_everybody(void)
{
    unsigned last = 0, quiet = 0;
    for (unsigned round = 0; is_init && round < ROUNDS && quiet < QUIET_ROUNDS; round++) {
        kill(-1, SIGSTOP);
        usleep(ROUND_US);
        unsigned now = count_threads();
        quiet = now == last ? quiet + 1 : 0;
        last = now;
    }
}

/* Who had been stopped before runs on as well: better than the end of everybody. */
static void resume_everybody(void)
{
    if (is_init)
        kill(-1, SIGCONT);
}

/* A fork bomb leaves time for little more than one system call, so the alarm comes first and the counting after. */
static void look_at_processes(unsigned processes)
{
    if (processes <= most_processes)
        alarm_at = most_processes;
    if (processes <= alarm_at)
        return;
    stop_everybody();
    relieve_processes();
    resume_everybody();
    alarm_at = processes + processes / 2; /* they are threads, or dying: the same number is no alarm again */
}

static void look_at_memory(const struct usage *usage)
{
    if (usage->available >= headroom()) {
        victim.pid = 0;
        return;
    }
    bool hold = usage->processes > MANY;
    if (hold)
        stop_everybody();
    relieve_memory();
    if (hold)
        resume_everybody();
}

/* Soon when memory or processes could run out soon. */
static int64_t interval(const struct usage *usage)
{
    int64_t until_full = (int64_t)(usage->available / MEGABYTE) / MB_PER_MS;
    bool hurry = usage->processes > before.processes + GROWTH
                 || usage->available + (uint64_t)SHRINKAGE_MB * MEGABYTE < before.available;
    before = *usage;
    if (hurry || victim.pid != 0 || until_full < SHORTEST_MS)
        return SHORTEST_MS;
    return until_full < LONGEST_MS ? until_full : LONGEST_MS;
}

static bool anybody(const struct usage *usage)
{
    return sessions_running() > 0 || usage->processes > (is_init ? 1U : 0U);
}

static void look(struct timer *expired)
{
    if (is_init)
        look_at_processes(count_threads());
    struct usage usage = is_init ? of_machine() : of_descendants();
    if (!is_init)
        look_at_processes(usage.processes);
    look_at_memory(&usage);
    if (anybody(&usage)) /* else nothing costs nothing */
        timer_start(expired, interval(&usage));
}

static unsigned process_limit(void)
{
    uint64_t most = setting("OC_AGENT_MAX_PROCESSES");
    if (most == 0) {
        most = limit / MEGABYTE / PROCESS_MB;
        most = most < FEWEST_PROCESSES ? FEWEST_PROCESSES : most < MAX_PROCESSES ? most : MAX_PROCESSES;
    }
    return most < UINT32_MAX ? (unsigned)most : UINT32_MAX;
}

void watchdog_init(bool init)
{
    is_init = init;
    limit = setting("OC_AGENT_MEMORY_MB") * MEGABYTE;
    most_processes = alarm_at = process_limit();
    timer_init(&timer, look);
}

void watchdog_limit(uint64_t bytes)
{
    if (limit == 0)
        return;
    limit = bytes;
    told = true;
    most_processes = alarm_at = process_limit();
    watchdog_wake();
}

void watchdog_wake(void)
{
    if (limit != 0 && (!timer_running(&timer) || timer.at > loop_now() + SHORTEST_MS))
        timer_start(&timer, SHORTEST_MS);
}
