/* The agent protocol's numbers and the shape of its messages; src/oc/wire/messages.py is the specification. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VERSION = 2,
    OLDEST = 1,
    MAX_FRAME = 1 << 20,
    CHUNK = 64 << 10,
    WINDOW = 512 << 10,
    TOKEN_BYTES = 32,
    RING = 1 << 20,
    MAX_SESSIONS = 256,
    MAX_TEXT = 64 << 10,
    SIZE_BYTES = 4,
    HEAD_BYTES = 9, /* size, kind, stream */
};

enum kind {
    HELLO = 1,
    CONFIGURE,
    START,
    ATTACH,
    DETACH,
    INPUT,
    INPUT_END,
    SIGNAL,
    RESIZE,
    FORGET,
    SESSIONS,
    READ,
    WRITE,
    ENTRIES,
    MAKE_DIRECTORY,
    REMOVE,
    CONNECT,
    STATISTICS,
    PING,
    CANCEL,
    LIMITS,
    DATA = 32,
    END,
    CREDIT,
    WELCOME = 64,
    DONE,
    FAILED,
    STARTED,
    ATTACHED,
    OUTPUT,
    EXITED,
    SESSION,
    OPENED,
    ENTRY,
    STATS,
    HAPPENED,
};

enum channel { STDOUT = 1, STDERR = 2 };
enum ending { ENDING_EXIT, ENDING_SIGNAL, ENDING_TIMEOUT, ENDING_LINGER, ENDING_MEMORY };
enum event { EVENT_MEMORY_KILL = 1 };

/* One field of a message. Which members are set is the layout's business. */
struct field {
    uint64_t number;
    char *text; /* ends in NUL; for data: its bytes, without one */
    uint32_t length;
    char **texts; /* ends in NULL */
    uint32_t count;
};

enum { MAX_FIELDS = 11 };

struct message {
    struct field fields[MAX_FIELDS];
};

/*
 * Layouts have a letter per field: 1 2 4 8 = u8 u16 u32 u64, f = a u8 that is 0 or 1, d = data, c = data of at most
 * CHUNK bytes, t = text, l = texts. NULL: the worker sends no such message.
 */
const char *message_layout(unsigned kind);

/*
 * Reads a payload; false when it breaks a rule. Texts are moved back over their own length and ended in place, so
 * the message points into `payload`, which is no longer a payload afterwards. `message_free` in both cases.
 */
bool message_parse(struct message *message, const char *layout, uint8_t *payload, size_t size);
void message_free(struct message *message);

/* Length of the longest beginning of `text` that is UTF-8. */
size_t utf8_valid(const uint8_t *text, size_t size);

uint64_t number_read(const uint8_t *bytes, unsigned width);
void number_write(uint8_t *bytes, unsigned width, uint64_t number);
