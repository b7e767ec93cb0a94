/* Stands in for libFuzzer: replays the files of a directory, then mutates them, the same way every time.
 * Usage: oc-agent-fuzz [-max_total_time=SECONDS] DIRECTORY */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SEEDS = 256, MOST_BYTES = 64 << 10, MAX_MUTATIONS = 8, BATCH = 256 };

struct seed {
    uint8_t *bytes;
    size_t size;
};

static struct seed seeds[MAX_SEEDS];
static size_t seed_count;

static uint64_t next_random(void)
{
    static uint64_t state = 0x9E3779B97F4A7C15;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t limit)
{
    return limit ? next_random() % limit : 0;
}

static void load(const char *directory, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || seed_count == MAX_SEEDS)
        return;
    struct seed *seed = &seeds[seed_count++];
    seed->bytes = memory_new(MOST_BYTES);
    seed->size = fread(seed->bytes, 1, MOST_BYTES, file);
    fclose(file);
}

static void load_all(const char *directory)
{
    DIR *handle = opendir(directory);
    for (const struct dirent *entry; handle != NULL && (entry = readdir(handle)) != NULL;)
        if (entry->d_name[0] != '.')
            load(directory, entry->d_name);
    if (handle != NULL)
        closedir(handle);
}

/* Lengths and counts are where parsers go wrong. */
static uint8_t interesting(void)
{
    static const uint8_t BYTES[] = {0, 1, 2, 4, 5, 9, 32, 34, 0x7F, 0x80, 0xC0, 0xE0, 0xF4, 0xFF};
    return BYTES[below(sizeof BYTES)];
}

static size_t mutate(uint8_t *bytes, size_t size)
{
    size_t at = below(size), other = below(size), length = below(size - (at > other ? at : other));
    switch (below(5)) {
    case 0:
        bytes[at] ^= (uint8_t)(1U << below(8));
        break;
    case 1:
        bytes[at] = interesting();
        break;
    case 2:
        memmove(bytes + at, bytes + other, length);
        break;
    case 3:
        return at + 1;
    default:
        bytes[at] = (uint8_t)next_random();
    }
    return size;
}

/* Two seeds one after the other, changed in a few places. */
static size_t compose(uint8_t *bytes)
{
    const struct seed *first = &seeds[below(seed_count)], *second = &seeds[below(seed_count)];
    size_t size = first->size, more = second->size > 1 ? second->size - 1 : 0;
    memcpy(bytes, first->bytes, size);
    memcpy(bytes + size, second->bytes + 1, more);
    size += more;
    for (size_t left = below(MAX_MUTATIONS); left > 0 && size > 0; left--)
        size = mutate(bytes, size);
    return size;
}

/* In a block of exactly its size, so that the sanitizer sees every byte read past its end. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = memory_new(size + (size == 0));
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[2 * MOST_BYTES];
    unsigned seconds = 5;
    if (argc > 1 && sscanf(argv[1], "-max_total_time=%u", &seconds) == 1)
        argv++, argc--;
    if (argc != 2)
        return EXIT_FAILURE;
    load_all(argv[1]);
    for (size_t i = 0; i < seed_count; i++)
        run(seeds[i].bytes, seeds[i].size);
    unsigned long runs = seed_count;
    for (time_t end = time(NULL) + (time_t)seconds; seed_count > 0 && time(NULL) < end; runs += BATCH)
        for (unsigned i = 0; i < BATCH; i++)
            run(bytes, compose(bytes));
    printf("%lu runs\n", runs);
    return EXIT_SUCCESS;
}
