/* The environment of sessions. Where a name comes twice the later wins: base, then shared, then the session's own. */
#pragma once

#include <stdbool.h>

#include "account.h"

enum { MAX_VARIABLES = 4096 };

/* Every text is `NAME=value`, and there are not too many. */
bool environment_valid(char *const *texts);

/* What every session gets from now on; the texts are copied. */
void environment_share(char *const *texts);

/* For one session. Free it with `environment_free`; it points into `own`, which must live as long. */
char **environment_build(const struct account *account, bool terminal, char *const *own);
void environment_free(char **environment);

/* Value of a name, or NULL. */
const char *environment_get(char *const *environment, const char *name);
