/* Users and groups of the sandbox, read from its own files: a static program has no name service. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { MAX_GROUPS = 64, MAX_NAME = 64, MAX_HOME = 1024 };

struct account {
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    char name[MAX_NAME], home[MAX_HOME], shell[MAX_HOME];
};

/* `user` is a name or a number, empty is root. False: there is no such user. Numbers need no entry. */
bool account_find(struct account *account, const char *user);
