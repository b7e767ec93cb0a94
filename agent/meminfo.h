/* Memory of the whole sandbox, from /proc/meminfo; zeros where it cannot be read. */
#pragma once

#include <stdint.h>

struct meminfo {
    uint64_t total, available; /* bytes */
};

struct meminfo meminfo_read(void);
