#include "environment.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

#define SEARCH_PATH "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { BASE = 8 };

struct base {
    char home[MAX_HOME + 8], shell[MAX_HOME + 8], user[MAX_NAME + 8], logname[MAX_NAME + 16];
};

/* One block, so that it is freed at once: the pointers, and the texts that belong to nobody else. */
struct block {
    struct base base;
    char *texts[];
};

static char **shared;

static size_t count(char *const *texts)
{
    size_t number = 0;
    while (texts != NULL && texts[number] != NULL)
        number++;
    return number;
}

bool environment_valid(char *const *texts)
{
    for (char *const *text = texts; *text != NULL; text++)
        if ((*text)[0] == '=' || strchr(*text, '=') == NULL)
            return false;
    return count(texts) <= MAX_VARIABLES;
}

void environment_share(char *const *texts)
{
    for (size_t i = 0; shared != NULL && shared[i] != NULL; i++)
        free(shared[i]);
    free(shared);
    size_t number = count(texts);
    shared = memory_new((number + 1) * sizeof *shared);
    for (size_t i = 0; i < number; i++)
        shared[i] = memory_text(texts[i]);
}

static bool same_name(const char *one, const char *other)
{
    size_t length = (size_t)(strchr(one, '=') - one) + 1;
    return strncmp(one, other, length) == 0;
}

static void set(char **texts, char *text)
{
    while (*texts != NULL && !same_name(*texts, text))
        texts++;
    *texts = text;
}

static void set_all(char **texts, char *const *added)
{
    while (added != NULL && *added != NULL)
        set(texts, *added++);
}

static void describe(struct base *base, const struct account *account)
{
    snprintf(base->home, sizeof base->home, "HOME=%s", account->home);
    snprintf(base->shell, sizeof base->shell, "SHELL=%s", account->shell);
    snprintf(base->user, sizeof base->user, "USER=%s", account->name);
    snprintf(base->logname, sizeof base->logname, "LOGNAME=%s", account->name);
}

char **environment_build(const struct account *account, bool terminal, char *const *own)
{
    static char path[] = SEARCH_PATH, language[] = "LANG=C.UTF-8", type[] = "TERM=xterm-256color";
    size_t most = BASE + count(shared) + count(own);
    struct block *block = memory_new(sizeof *block + (most + 1) * sizeof *block->texts);
    struct base *base = &block->base;
    describe(base, account);
    char *basic[] = {path, language, base->home, base->shell, base->user, base->logname, terminal ? type : NULL, NULL};
    set_all(block->texts, basic);
    set_all(block->texts, shared);
    set_all(block->texts, own);
    return block->texts;
}

void environment_free(char **environment)
{
    free((char *)environment - offsetof(struct block, texts));
}

const char *environment_get(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (; *environment != NULL; environment++)
        if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}
