/* Allocation that does not fail: without memory for its own small needs the agent cannot go on, and says so. */
#pragma once

#include <stddef.h>

void *memory_new(size_t size) __attribute__((malloc, returns_nonnull));
void *memory_resize(void *old, size_t size) __attribute__((returns_nonnull));
char *memory_text(const char *text) __attribute__((malloc, returns_nonnull));
