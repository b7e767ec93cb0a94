#include "memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *got(void *memory)
{
    static const char WORDS[] = "oc-agent: out of memory\n";
    if (memory == NULL) {
        (void)!write(STDERR_FILENO, WORDS, sizeof WORDS - 1);
        abort();
    }
    return memory;
}

void *memory_new(size_t size)
{
    return got(calloc(1, size));
}

void *memory_resize(void *old, size_t size)
{
    return got(realloc(old, size));
}

char *memory_text(const char *text)
{
    return got(strdup(text));
}
