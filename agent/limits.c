#include <errno.h>

#include "operations.h"
#include "watchdog.h"

void operation_limits(struct stream *stream, const struct field *fields)
{
    if (fields[0].number == 0) {
        stream_fail(stream, EINVAL, "no sandbox runs in no memory");
        return;
    }
    watchdog_limit(fields[0].number);
    stream_done(stream);
}
