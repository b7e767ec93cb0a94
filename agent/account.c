#include "account.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "whole_file.h"

enum { MAX_FILE = 1 << 20, MAX_COLUMNS = 8, PASSWD_COLUMNS = 7, GROUP_COLUMNS = 4 };

/* Splits a line of /etc/passwd or /etc/group (passwd(5), group(5)) in place; returns how many columns it has. */
static unsigned split(char *line, char *columns[MAX_COLUMNS])
{
    unsigned count = 0;
    while (line != NULL && count < MAX_COLUMNS)
        columns[count++] = strsep(&line, ":");
    return count;
}

static bool number(const char *text, unsigned *value)
{
    char *end;
    unsigned long parsed = strtoul(text, &end, 10);
    *value = (unsigned)parsed;
    return *text >= '0' && *text <= '9' && *end == 0 && parsed < (unsigned)-1;
}

static void copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from);
}

static bool take_entry(struct account *account, char *line, const char *user, const unsigned *uid)
{
    char *columns[MAX_COLUMNS];
    unsigned entry_uid, gid;
    if (split(line, columns) < PASSWD_COLUMNS || !number(columns[2], &entry_uid) || !number(columns[3], &gid))
        return false;
    if (uid != NULL ? *uid != entry_uid : strcmp(columns[0], user) != 0)
        return false;
    account->uid = entry_uid;
    account->gid = gid;
    copy(account->name, sizeof account->name, columns[0]);
    copy(account->home, sizeof account->home, columns[5]);
    copy(account->shell, sizeof account->shell, columns[6]);
    return true;
}

static bool find_entry(struct account *account, const char *user, const unsigned *uid)
{
    char *file = whole_file("/etc/passwd", MAX_FILE), *rest = file;
    bool found = false;
    for (char *line; !found && (line = strsep(&rest, "\n")) != NULL;)
        found = take_entry(account, line, user, uid);
    free(file);
    return found;
}

static bool is_member(char *members, const char *name)
{
    for (char *member; (member = strsep(&members, ",")) != NULL;)
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

static void find_groups(struct account *account)
{
    char *file = whole_file("/etc/group", MAX_FILE), *rest = file;
    account->groups[account->group_count++] = account->gid;
    for (char *line; account->group_count < MAX_GROUPS && (line = strsep(&rest, "\n")) != NULL;) {
        char *columns[MAX_COLUMNS];
        unsigned gid;
        if (split(line, columns) >= GROUP_COLUMNS && number(columns[2], &gid) && gid != account->gid
            && is_member(columns[3], account->name))
            account->groups[account->group_count++] = gid;
    }
    free(file);
}

static void fill_gaps(struct account *account)
{
    if (account->home[0] != '/')
        copy(account->home, sizeof account->home, account->uid == 0 ? "/root" : "/");
    if (account->shell[0] != '/')
        copy(account->shell, sizeof account->shell, "/bin/sh");
}

bool account_find(struct account *account, const char *user)
{
    unsigned uid = 0;
    bool by_number = user[0] == 0 || number(user, &uid);
    *account = (struct account){.uid = uid, .gid = uid};
    if (!find_entry(account, user, by_number ? &uid : NULL)) {
        if (!by_number)
            return false;
        snprintf(account->name, sizeof account->name, uid == 0 ? "root" : "%u", uid);
    }
    find_groups(account);
    fill_gaps(account);
    return true;
}
