/* `rm -rf` a few entries at a time. Any depth with few descriptors: what lies too deep is moved up first. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"
#include "operations.h"

enum { MAX_DEPTH = 32, AT_ONCE = 64 };

struct level {
    DIR *handle;
    char *name;    /* in the level above */
    bool progress; /* since its beginning was last read */
};

struct removal {
    int parent; /* directory that the root of it all is in */
    char *path;
    struct level levels[MAX_DEPTH];
    unsigned depth;
    uint64_t moved;
};

static int above(const struct removal *removal)
{
    return removal->depth >= 2 ? dirfd(removal->levels[removal->depth - 2].handle) : removal->parent;
}

static void leave(struct removal *removal)
{
    struct level *level = &removal->levels[--removal->depth];
    closedir(level->handle);
    free(level->name);
}

static void closed(struct stream *stream)
{
    struct removal *removal = stream->state;
    while (removal->depth > 0)
        leave(removal);
    close(removal->parent);
    free(removal->path);
    free(removal);
}

static bool enter(struct removal *removal, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *handle = fd < 0 ? NULL : fdopendir(fd);
    if (handle == NULL) {
        if (fd >= 0)
            close(fd);
        return errno == ENOENT;
    }
    removal->levels[removal->depth++] = (struct level){handle, memory_text(name), false};
    return true;
}

static bool move_up(struct removal *removal, int directory, const char *name)
{
    char unique[64];
    snprintf(unique, sizeof unique, ".oc-removed-%d-%llu", getpid(), (unsigned long long)removal->moved++);
    return renameat(directory, name, dirfd(removal->levels[0].handle), unique) == 0 || errno == ENOENT;
}

static bool remove_entry(struct removal *removal, const char *name)
{
    int directory = dirfd(removal->levels[removal->depth - 1].handle);
    if (unlinkat(directory, name, 0) == 0 || errno == ENOENT)
        return true;
    if (errno != EISDIR && errno != EPERM) /* unlink(2): EPERM is POSIX's word for a directory */
        return false;
    if (unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    if (errno == ENOTDIR)
        errno = EPERM;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return false;
    return removal->depth == MAX_DEPTH ? move_up(removal, directory, name) : enter(removal, directory, name);
}

/* The directory that was read to its end goes, unless something has come into it meanwhile. */
static bool finish_level(struct removal *removal)
{
    struct level *level = &removal->levels[removal->depth - 1];
    if (unlinkat(above(removal), level->name, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        bool again = level->progress && (errno == ENOTEMPTY || errno == EEXIST);
        level->progress = false;
        rewinddir(level->handle);
        return again;
    }
    leave(removal);
    return true;
}

static bool step(struct removal *removal)
{
    errno = 0;
    const struct dirent *entry = readdir(removal->levels[removal->depth - 1].handle);
    if (entry == NULL)
        return errno == 0 && finish_level(removal);
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
        return true;
    removal->levels[removal->depth - 1].progress = true;
    return remove_entry(removal, entry->d_name);
}

static void fail(struct stream *stream, const char *path)
{
    int error = errno;
    stream_fail(stream, error, "cannot remove %s: %s", path, strerror(error));
}

static void remove_some(struct stream *stream)
{
    struct removal *removal = stream->state;
    for (unsigned i = 0; i < AT_ONCE && removal->depth > 0; i++)
        if (!step(removal)) {
            fail(stream, removal->path);
            return;
        }
    if (removal->depth > 0)
        stream_run(stream);
    else
        stream_done(stream);
}

/* Splits a path at its last name, in place: "/a/b//" is "b" in "/a". NULL with errno: that name is none to remove. */
static char *split(char *path, const char **directory)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = 0;
    char *slash = strrchr(path, '/');
    char *name = slash ? slash + 1 : path;
    if (slash != NULL)
        *slash = 0;
    *directory = slash == NULL || slash == path ? "/" : path;
    errno = *name == 0 ? EBUSY : EINVAL;
    return *name == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? NULL : name;
}

static void begin(struct stream *stream, const char *path, int parent, const char *name)
{
    static const struct stream_type REMOVING = {.pump = remove_some, .cancel = stream_done, .close = closed};
    struct removal *removal = memory_new(sizeof *removal);
    removal->parent = parent;
    removal->path = memory_text(path);
    stream_become(stream, &REMOVING, removal);
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT || errno == ENOTDIR
        || ((errno == EISDIR || errno == EPERM) && enter(removal, parent, name)))
        stream_run(stream);
    else
        fail(stream, path);
}

void operation_remove(struct stream *stream, const struct field *fields)
{
    const char *path = fields[0].text, *directory;
    char *copy = memory_text(path), *name = split(copy, &directory);
    int parent = name ? open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (parent >= 0)
        begin(stream, path, parent, name);
    else if (name != NULL && (errno == ENOENT || errno == ENOTDIR))
        stream_done(stream);
    else
        fail(stream, path);
    free(copy);
}
