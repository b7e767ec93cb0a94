#include <time.h>

#include "meminfo.h"
#include "operations.h"
#include "process.h"
#include "watchdog.h"

static uint64_t uptime_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void operation_statistics(struct stream *stream, const struct field *fields)
{
    (void)fields;
    struct meminfo memory = meminfo_read();
    struct frame frame = stream_frame(stream, STATS);
    frame_number(&frame, 8, watchdog_memory(&memory));
    frame_number(&frame, 8, watchdog_used(&memory));
    frame_number(&frame, 4, processes_count());
    frame_number(&frame, 8, uptime_ms());
    frame_number(&frame, 4, watchdog_kills());
    frame_close(&frame);
    stream_done(stream);
}
