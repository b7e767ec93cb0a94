/* Pseudo-terminals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Opens a pair for a user; false with errno. */
bool terminal_open(int *master, int *slave, uid_t owner);
bool terminal_resize(int master, pid_t leader, uint16_t rows, uint16_t columns);
