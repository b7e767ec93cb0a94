#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A regular file's contents, ended by NUL, cut to `most` bytes; "" for what cannot be read. The caller frees it. */
char *whole_file(const char *path, size_t most);

/* Replaces a file (0644) in one step; false with errno. */
bool whole_file_replace(const char *path, const char *contents);
