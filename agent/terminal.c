#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process.h"

enum { ROWS = 24, COLUMNS = 80 };

static int open_slave(int master)
{
    char path[32];
    unsigned number;
    int locked = 0;
    if (ioctl(master, TIOCSPTLCK, &locked) != 0 || ioctl(master, TIOCGPTN, &number) != 0)
        return -1;
    snprintf(path, sizeof path, "/dev/pts/%u", number);
    return open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
}

bool terminal_open(int *master, int *slave, uid_t owner)
{
    *master = open("/dev/ptmx", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (*master < 0)
        return false;
    *slave = open_slave(*master);
    if (*slave < 0) {
        int error = errno;
        close(*master);
        errno = error;
        return false;
    }
    /* Fails for who is not root; the terminal is the caller's own then. */
    (void)!fchown(*slave, owner, (gid_t)-1);
    (void)!fchmod(*slave, 0620);
    return true;
}

/* gVisor knows no foreground group at a master and tells nobody of a new size (google/gvisor, terminal ioctls). */
static bool kernel_tells(int master)
{
    pid_t foreground;
    return ioctl(master, TIOCGPGRP, &foreground) == 0;
}

bool terminal_resize(int master, pid_t leader, uint16_t rows, uint16_t columns)
{
    struct winsize size = {.ws_row = rows ? rows : ROWS, .ws_col = columns ? columns : COLUMNS};
    if (ioctl(master, TIOCSWINSZ, &size) != 0)
        return false;
    if (leader > 0 && !kernel_tells(master))
        processes_signal(leader, SIGWINCH);
    return true;
}
