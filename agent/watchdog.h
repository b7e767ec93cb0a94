/*
 * Keeps a sandbox alive that runs out of memory or processes. In gVisor the kernel below would kill all of it, so the
 * agent kills what is largest before. OC_AGENT_MEMORY_MB turns it on and says what programs may use in all;
 * OC_AGENT_MAX_PROCESSES bounds their number, which without it follows from the memory.
 */
#pragma once

#include <stdbool.h>

/* `init`: all memory of the machine counts, not only that of our descendants. */
void watchdog_init(bool init);
/* There may be something to watch again. */
void watchdog_wake(void);
unsigned watchdog_kills(void);
