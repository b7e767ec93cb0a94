#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "memory.h"
#include "operations.h"
#include "tree.h"

enum { ENTRIES_AT_ONCE = 64, MODE_BITS = 07777 };

struct file {
    int fd;
    uint64_t left; /* bytes to read still */
    char *path;
};

struct directory {
    DIR *handle;
    char *path;
};

static void fail(struct stream *stream, const char *what, const char *path)
{
    int error = errno;
    stream_fail(stream, error, "cannot %s %s: %s", what, path, strerror(error));
}

static void close_file(struct stream *stream)
{
    struct file *file = stream->state;
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file);
}

static struct file *file_new(int fd, const char *path, uint64_t left)
{
    struct file *file = memory_new(sizeof *file);
    *file = (struct file){.fd = fd, .path = memory_text(path), .left = left};
    return file;
}

static void opened(struct stream *stream, uint64_t size)
{
    struct frame frame = stream_frame(stream, OPENED);
    frame_number(&frame, 8, size);
    frame_close(&frame);
}

/* Closes what is no regular file: a FIFO or device could keep everybody waiting. -1 with errno. */
static int only_regular(int fd, struct stat *status)
{
    if (fd < 0)
        return -1;
    if (fstat(fd, status) == 0 && S_ISREG(status->st_mode))
        return fd;
    close(fd);
    errno = S_ISDIR(status->st_mode) ? EISDIR : EINVAL;
    return -1;
}

/* Sends one piece; a file that grows meanwhile is read to the size that was announced. */
static void read_some(struct stream *stream)
{
    static uint8_t piece[CHUNK];
    struct file *file = stream->state;
    uint64_t most = stream_room(stream);
    if (most == 0)
        return;
    ssize_t size = file->left == 0 ? 0 : read(file->fd, piece, most < file->left ? most : file->left);
    if (size < 0) {
        fail(stream, "read", file->path);
    } else if (size == 0) {
        stream_done(stream);
    } else {
        struct frame frame = stream_frame(stream, DATA);
        frame_data(&frame, piece, (size_t)size);
        frame_close(&frame);
        stream->credit -= (uint32_t)size;
        file->left -= (uint64_t)size;
        stream_run(stream);
    }
}

void operation_read(struct stream *stream, const struct field *fields)
{
    static const struct stream_type READING = {.pump = read_some, .cancel = stream_done, .close = close_file};
    const char *path = fields[0].text;
    struct stat status;
    int fd = only_regular(open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), &status);
    if (fd < 0) {
        fail(stream, "read", path);
        return;
    }
    /* Those of /proc and /sys say that they are empty, and are not. */
    uint64_t size = (uint64_t)status.st_size;
    stream_become(stream, &READING, file_new(fd, path, size > 0 ? size : UINT64_MAX));
    opened(stream, size);
    stream_run(stream);
}

static void write_some(struct stream *stream, const uint8_t *bytes, uint32_t size)
{
    const struct file *file = stream->state;
    for (uint32_t done = 0; done < size;) {
        ssize_t written = write(file->fd, bytes + done, size - done);
        if (written < 0) {
            fail(stream, "write", file->path);
            return;
        }
        done += (uint32_t)written;
    }
    stream_accept(stream, size);
}

static void written(struct stream *stream)
{
    struct file *file = stream->state;
    int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0)
        fail(stream, "write", file->path);
    else
        stream_done(stream);
}

static int create(const char *path, mode_t mode, const struct account *owner)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 || (fchown(fd, owner->uid, owner->gid) == 0 && fchmod(fd, mode) == 0))
        return fd;
    int error = errno;
    close(fd);
    unlink(path);
    errno = error;
    return -1;
}

/* A file that exists keeps its mode and owner. */
static int create_or_truncate(const char *path, mode_t mode, const struct account *owner)
{
    struct stat status;
    int fd = create(path, mode, owner);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    return only_regular(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode), &status);
}

static bool find_owner(struct stream *stream, struct account *owner, const char *user)
{
    bool found = account_find(owner, user);
    if (!found)
        stream_fail(stream, EINVAL, "there is no user %s", user);
    return found;
}

void operation_write(struct stream *stream, const struct field *fields)
{
    static const struct stream_type WRITING = {
        .data = write_some, .end = written, .cancel = stream_done, .close = close_file};
    const char *path = fields[0].text;
    struct account owner;
    if (!find_owner(stream, &owner, fields[2].text))
        return;
    int fd = tree_make_parents(path, &owner) ? create_or_truncate(path, fields[1].number & MODE_BITS, &owner) : -1;
    if (fd < 0) {
        fail(stream, "write", path);
        return;
    }
    stream_become(stream, &WRITING, file_new(fd, path, 0));
    opened(stream, 0);
}

void operation_make_directory(struct stream *stream, const struct field *fields)
{
    struct account owner;
    if (!find_owner(stream, &owner, fields[1].text))
        return;
    if (tree_make(fields[0].text, &owner))
        stream_done(stream);
    else
        fail(stream, "make directory", fields[0].text);
}

static void close_directory(struct stream *stream)
{
    struct directory *directory = stream->state;
    closedir(directory->handle);
    free(directory->path);
    free(directory);
}

static void tell(struct stream *stream, DIR *handle, const char *name)
{
    struct stat status;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0
        || fstatat(dirfd(handle), name, &status, AT_SYMLINK_NOFOLLOW) != 0) /* gone already */
        return;
    struct frame frame = stream_frame(stream, ENTRY);
    frame_data(&frame, name, strlen(name));
    frame_number(&frame, 1, S_ISDIR(status.st_mode));
    frame_number(&frame, 8, (uint64_t)status.st_size);
    frame_number(&frame, 4, status.st_mode & MODE_BITS);
    frame_number(&frame, 8, status.st_mtime > 0 ? (uint64_t)status.st_mtime : 0);
    frame_close(&frame);
}

static void list_some(struct stream *stream)
{
    struct directory *directory = stream->state;
    const struct dirent *entry = NULL;
    errno = 0;
    for (unsigned i = 0; i < ENTRIES_AT_ONCE && stream_room(stream) > 0; i++) {
        entry = readdir(directory->handle);
        if (entry == NULL && errno != 0)
            fail(stream, "list", directory->path);
        else if (entry == NULL)
            stream_done(stream);
        if (entry == NULL)
            return;
        tell(stream, directory->handle, entry->d_name);
        errno = 0;
    }
    if (stream_room(stream) > 0)
        stream_run(stream);
}

void operation_entries(struct stream *stream, const struct field *fields)
{
    static const struct stream_type LISTING = {.pump = list_some, .cancel = stream_done, .close = close_directory};
    const char *path = fields[0].text;
    DIR *handle = opendir(path);
    if (handle == NULL) {
        fail(stream, "list", path);
        return;
    }
    struct directory *directory = memory_new(sizeof *directory);
    *directory = (struct directory){handle, memory_text(path)};
    stream_become(stream, &LISTING, directory);
    stream_run(stream);
}
