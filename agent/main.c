/* oc-agent: see `usage`. As PID 1 of a sandbox it is the ancestor of all processes there, else an ordinary server. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "connection.h"
#include "loop.h"
#include "process.h"
#include "session.h"
#include "spawn.h"
#include "stream.h"
#include "watchdog.h"

#define TOKEN_VARIABLE "OC_AGENT_TOKEN"

enum { LAST_SIGNAL = 64, DEFAULT_PORT = 1023, LARGE = 64 << 10 };

struct options {
    struct sockaddr_in address;
    bool print_port;
};

static volatile sig_atomic_t child_ended, stop;

static void die(const char *what)
{
    fprintf(stderr, "oc-agent: %s\n", what);
    exit(EXIT_FAILURE);
}

static void usage(void)
{
    die("usage: " TOKEN_VARIABLE "=64-HEX oc-agent [--port N | --listen ADDRESS:PORT] [--print-port]");
}

static in_port_t parse_port(const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != 0 || port > UINT16_MAX)
        usage();
    return htons((in_port_t)port);
}

static void parse_address(struct sockaddr_in *address, char *text)
{
    char *colon = strrchr(text, ':');
    if (colon == NULL)
        usage();
    *colon = 0;
    if (inet_pton(AF_INET, text, &address->sin_addr) != 1)
        usage();
    address->sin_port = parse_port(colon + 1);
}

static struct options parse_options(char **argument)
{
    struct options options = {.address = {.sin_family = AF_INET, .sin_port = htons(DEFAULT_PORT)}};
    while (*++argument != NULL) {
        if (strcmp(*argument, "--print-port") == 0)
            options.print_port = true;
        else if (strcmp(*argument, "--port") == 0 && argument[1] != NULL)
            options.address.sin_port = parse_port(*++argument);
        else if (strcmp(*argument, "--listen") == 0 && argument[1] != NULL)
            parse_address(&options.address, *++argument);
        else
            usage();
    }
    return options;
}

static bool parse_token(const char *text, uint8_t token[TOKEN_BYTES])
{
    if (text == NULL || strlen(text) != (size_t)2 * TOKEN_BYTES || strspn(text, "0123456789abcdefABCDEF") != strlen(text))
        return false;
    for (unsigned i = 0; i < TOKEN_BYTES; i++) {
        char digits[3] = {text[2 * (size_t)i], text[2 * (size_t)i + 1], 0};
        token[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return true;
}

/* /proc/1/environ shows the memory that the environment came in, so it is overwritten, not only unset. */
static void take_token(void)
{
    uint8_t token[TOKEN_BYTES];
    char *text = getenv(TOKEN_VARIABLE);
    if (!parse_token(text, token))
        die(TOKEN_VARIABLE " must hold the token, 64 hexadecimal digits");
    explicit_bzero(text, strlen(text));
    unsetenv(TOKEN_VARIABLE);
    connections_token(token);
    explicit_bzero(token, sizeof token);
}

static void on_signal(int signal)
{
    if (signal == SIGCHLD)
        child_ended = 1;
    else if (signal != SIGPIPE)
        stop = 1;
}

/* Straight to the kernel: glibc keeps 32 and 33 from us, which a parent may have left ignored. */
static void reset_signals(void)
{
    struct {
        void *handler;
        unsigned long flags;
        void *restorer;
        uint64_t mask;
    } standard = {0};
    uint64_t none = 0;
    for (int signal = 1; signal <= LAST_SIGNAL; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            syscall(SYS_rt_sigaction, signal, &standard, NULL, sizeof none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

/* Handled, never ignored: what is ignored stays so in the programs that we start. */
static void handle(int signal)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, NULL);
}

static void take_signals(bool init)
{
    reset_signals();
    handle(SIGCHLD);
    handle(SIGPIPE);
    if (!init) { /* PID 1 is not to be stopped from inside */
        handle(SIGTERM);
        handle(SIGINT);
    }
    sigset_t ours; /* come in only while the loop waits */
    sigemptyset(&ours);
    sigaddset(&ours, SIGCHLD);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigprocmask(SIG_BLOCK, &ours, NULL);
}

static void reopen(int descriptor)
{
    int null = open("/dev/null", O_RDWR);
    if (null >= 0 && null != descriptor) {
        dup2(null, descriptor);
        close(null);
    }
}

/* Descriptors 0 to 2 are open, whatever we were given, so that no other ever gets these numbers. */
static void fill_standard_descriptors(void)
{
    int null;
    do
        null = open("/dev/null", O_RDWR);
    while (null >= 0 && null <= STDERR_FILENO);
    if (null > STDERR_FILENO)
        close(null);
}

static void print_port(int port)
{
    printf("%d\n", port);
    if (fflush(stdout) != 0)
        die("cannot print the port");
}

/* An open descriptor of the host's makes gVisor's checkpoints unusable, so as PID 1 none stays. */
static void let_go(bool init)
{
    reopen(STDIN_FILENO);
    reopen(STDOUT_FILENO);
    if (init)
        reopen(STDERR_FILENO);
}

static void settle(bool init)
{
    mallopt(M_MMAP_THRESHOLD, LARGE); /* large blocks go back to the kernel when they are freed */
    mallopt(M_TRIM_THRESHOLD, LARGE);
    umask(022);
    if (chdir("/") != 0)
        die("cannot enter /");
    fill_standard_descriptors();
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0); /* inherited ones, where the kernel can do it */
    take_signals(init);
    spawn_init(!init);
    if (!init)
        prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void turn(void)
{
    loop_turn(streams_runnable());
    if (child_ended) {
        child_ended = 0;
        sessions_reap();
    }
    streams_pump();
    connections_flush();
    streams_sweep();
    connections_sweep();
}

int main(int argc, char **argv)
{
    (void)argc;
    bool init = getpid() == 1;
    struct options options = parse_options(argv);
    settle(init);
    take_token();
    loop_init();
    watchdog_init(init);
    int port = connections_listen(&options.address);
    if (port < 0)
        die(strerror(errno));
    if (options.print_port)
        print_port(port);
    let_go(init);
    while (!stop)
        turn();
    processes_end();
    return EXIT_SUCCESS;
}
