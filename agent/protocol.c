#include "protocol.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

static const char *const LAYOUTS[] = {
    [HELLO] = "2d",
    [CONFIGURE] = "8dtdl",
    [START] = "tllttf22f88",
    [ATTACH] = "tt8",
    [DETACH] = "",
    [INPUT] = "c",
    [INPUT_END] = "",
    [SIGNAL] = "t2",
    [RESIZE] = "t22",
    [FORGET] = "t",
    [SESSIONS] = "",
    [READ] = "t",
    [WRITE] = "t4t",
    [ENTRIES] = "t",
    [MAKE_DIRECTORY] = "tt",
    [REMOVE] = "t",
    [CONNECT] = "2",
    [STATISTICS] = "",
    [PING] = "",
    [CANCEL] = "",
    [LIMITS] = "8",
    [DATA] = "c",
    [END] = "",
    [CREDIT] = "4",
};

struct cursor {
    uint8_t *at;
    size_t left;
};

const char *message_layout(unsigned kind)
{
    return kind < sizeof LAYOUTS / sizeof *LAYOUTS ? LAYOUTS[kind] : NULL;
}

uint64_t number_read(const uint8_t *bytes, unsigned width)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | bytes[i];
    return number;
}

void number_write(uint8_t *bytes, unsigned width, uint64_t number)
{
    for (unsigned i = width; i-- > 0; number >>= 8)
        bytes[i] = (uint8_t)number;
}

/* Length of the sequence that a lead byte announces, 0 for what cannot lead; `low` and `high` bound its second byte
 * (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
static unsigned sequence_length(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

size_t utf8_valid(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint8_t low, high;
        unsigned length = sequence_length(text[at], &low, &high);
        if (length == 0 || at + length > size || (length > 1 && (text[at + 1] < low || text[at + 1] > high)))
            break;
        unsigned i = 2;
        while (i < length && (text[at + i] & 0xC0) == 0x80)
            i++;
        if (i < length)
            break;
        at += length;
    }
    return at;
}

static bool take_number(struct cursor *cursor, unsigned width, uint64_t *number)
{
    if (cursor->left < width)
        return false;
    *number = number_read(cursor->at, width);
    cursor->at += width;
    cursor->left -= width;
    return true;
}

static bool take_bytes(struct cursor *cursor, size_t most, struct field *field)
{
    uint64_t length;
    if (!take_number(cursor, SIZE_BYTES, &length) || length > cursor->left || length > most)
        return false;
    field->text = (char *)cursor->at;
    field->length = (uint32_t)length;
    cursor->at += length;
    cursor->left -= length;
    return true;
}

static bool take_text(struct cursor *cursor, struct field *field)
{
    if (!take_bytes(cursor, MAX_TEXT, field) || memchr(field->text, 0, field->length) != NULL
        || utf8_valid((uint8_t *)field->text, field->length) != field->length)
        return false;
    field->text = memmove(field->text - SIZE_BYTES, field->text, field->length);
    field->text[field->length] = 0;
    return true;
}

static bool take_texts(struct cursor *cursor, struct field *field)
{
    uint64_t count;
    if (!take_number(cursor, SIZE_BYTES, &count) || count > cursor->left / SIZE_BYTES)
        return false;
    field->count = (uint32_t)count;
    field->texts = memory_new((count + 1) * sizeof *field->texts);
    for (uint64_t i = 0; i < count; i++) {
        struct field text;
        if (!take_text(cursor, &text))
            return false;
        field->texts[i] = text.text;
    }
    return true;
}

static bool take_field(struct cursor *cursor, char letter, struct field *field)
{
    switch (letter) {
    case 'f':
        return take_number(cursor, 1, &field->number) && field->number <= 1;
    case 'd':
        return take_bytes(cursor, MAX_FRAME, field);
    case 'c':
        return take_bytes(cursor, CHUNK, field);
    case 't':
        return take_text(cursor, field);
    case 'l':
        return take_texts(cursor, field);
    default:
        return take_number(cursor, (unsigned)(letter - '0'), &field->number);
    }
}

bool message_parse(struct message *message, const char *layout, uint8_t *payload, size_t size)
{
    struct cursor cursor = {payload, size};
    *message = (struct message){0};
    for (struct field *field = message->fields; *layout; layout++, field++)
        if (!take_field(&cursor, *layout, field))
            return false;
    return cursor.left == 0;
}

void message_free(struct message *message)
{
    for (unsigned i = 0; i < MAX_FIELDS; i++)
        free(message->fields[i].texts);
}
