#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "memory.h"

enum { PIECE = 4096 };

static int open_regular(const char *path)
{
    /* O_NONBLOCK: the file may be a FIFO that somebody inside has put there */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd >= 0 && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

char *whole_file(const char *path, size_t most)
{
    struct buffer contents = {0};
    int fd = open_regular(path);
    ssize_t size = 1;
    while (fd >= 0 && size > 0 && buffer_size(&contents) < most) {
        size = read(fd, buffer_reserve(&contents, PIECE), PIECE);
        if (size > 0)
            buffer_extend(&contents, (size_t)size);
    }
    if (fd >= 0)
        close(fd);
    buffer_append(&contents, "", 1);
    return (char *)contents.memory;
}

static bool fill(int fd, const char *contents)
{
    size_t size = strlen(contents);
    ssize_t written = write(fd, contents, size);
    if (written >= 0 && (size_t)written < size)
        errno = ENOSPC;
    return written == (ssize_t)size;
}

bool whole_file_replace(const char *path, const char *contents)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.oc-new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd < 0)
        return false;
    bool good = fill(fd, contents);
    close(fd);
    good = good && rename(temporary, path) == 0;
    if (!good) {
        int error = errno;
        unlink(temporary);
        errno = error;
    }
    return good;
}
