#include "meminfo.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_TEXT_SIZE = 4096 };

static uint64_t value(const char *text, const char *name)
{
    const char *found = strstr(text, name);
    return found ? strtoull(found + strlen(name), NULL, 10) * 1024 : 0;
}

struct meminfo meminfo_read(void)
{
    char text[MAX_TEXT_SIZE];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (size < 0)
        return (struct meminfo){0};
    text[size] = 0;
    return (struct meminfo){
        .total = value(text, "MemTotal:"),
        .available = value(text, "MemAvailable:"),
        .listed = value(text, "Active:") + value(text, "Inactive:"),
    };
}
