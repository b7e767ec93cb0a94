/* Starting programs. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "account.h"

struct spawn {
    char *const *argv;
    char *const *environment;
    const char *directory; /* empty: the user's home, or / where there is none */
    const struct account *account;
    int in, out, error; /* descriptors above 2, stay the caller's */
    bool terminal;      /* `in` is a terminal, which becomes the controlling one */
    const char *failed; /* after a failure: what could not be done, and ... */
    const char *object; /* ... to what */
};

/*
 * Runs a program as leader of a session and process group of its own, with nothing of ours but these descriptors.
 * Returns its pid once it runs, or -1 with errno, `failed` and `object`.
 */
pid_t spawn(struct spawn *spawn);

/* Takes over the limits that programs are to have, and raises our own. */
void spawn_init(bool die_with_us);
