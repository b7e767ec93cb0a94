#include "tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

enum { DIRECTORY_MODE = 0755 };

static bool make_one(const char *path, const struct account *owner)
{
    struct stat status;
    if (mkdir(path, DIRECTORY_MODE) == 0)
        return chown(path, owner->uid, owner->gid) == 0;
    if (errno != EEXIST)
        return false;
    errno = ENOTDIR;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool tree_make(const char *path, const struct account *owner)
{
    if (strlen(path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    char *partial = memory_text(path);
    bool good = true;
    for (char *at = partial + 1; good && *partial != 0 && (at = strchr(at, '/')) != NULL; *at++ = '/') {
        *at = 0;
        good = exists(partial) || make_one(partial, owner);
    }
    free(partial);
    return good && make_one(path, owner);
}

bool tree_make_parents(const char *path, const struct account *owner)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return true;
    char *parent = strndup(path, (size_t)(slash - path));
    bool good = parent != NULL && (exists(parent) || tree_make(parent, owner));
    int error = errno;
    free(parent);
    errno = error;
    return good;
}
