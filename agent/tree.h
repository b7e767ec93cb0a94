/* Directories with all that is above or below them. */
#pragma once

#include <stdbool.h>

#include "account.h"

/* `mkdir -p`: what is made belongs to `owner`, 0755. False with errno. */
bool tree_make(const char *path, const struct account *owner);
bool tree_make_parents(const char *path, const struct account *owner);
