/* Memory of the whole sandbox, from /proc/meminfo; zeros where it cannot be read. */
#pragma once

#include <stdint.h>

struct meminfo {
    uint64_t total, available; /* bytes */
    uint64_t listed;           /* bytes on the lists of active and inactive pages */
};

struct meminfo meminfo_read(void);
