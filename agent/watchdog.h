/*
 * Keeps a sandbox alive that runs out of memory or processes. In gVisor the kernel below would kill all of it, so the
 * agent kills what is largest before. OC_AGENT_MEMORY_MB turns it on and says what programs may use in all;
 * OC_AGENT_MAX_PROCESSES bounds their number, which without it follows from the memory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "meminfo.h"

/* `init`: all memory of the machine counts, not only that of our descendants. */
void watchdog_init(bool init);
/* There may be something to watch again. */
void watchdog_wake(void);
unsigned watchdog_kills(void);
/* Another limit from now on, in bytes; nothing where the watchdog is off. */
void watchdog_limit(uint64_t bytes);
/* What programs may use in all, in bytes: less than the machine has where that includes what runs them. */
uint64_t watchdog_memory(const struct meminfo *memory);
uint64_t watchdog_used(const struct meminfo *memory);
