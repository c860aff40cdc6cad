/* A record as text, "name: value" lines, an empty one, the value: what reads as a dead letter has
 * names fit for topics and JSON. Also the spool's record behind a right checksum. */
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/domain/dead_letter.h"
#include "bridge/domain/murmur2.h"
#include "bridge/spool/record_codec.h"
#include "tests/fuzz/fuzz.h"

void fuzz_start(void)
{
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static void check_letter(const struct record *rec)
{
    struct dead_letter letter;
    struct diag diag = {0};
    enum status status = dead_letter_read(rec, fuzz_arena(), &letter, &diag);
    if (fuzz_is_nomem(status))
        return;
    FUZZ_ASSERT(status == STATUS_OK || (status == STATUS_INVALID && diag.text[0] != '\0'));
    if (status != STATUS_OK)
        return;
    FUZZ_ASSERT(letter.reason > DEAD_LETTER_NONE && letter.reason < DEAD_LETTER_REASONS);
    FUZZ_ASSERT(letter.id[0] != '\0' && letter.path[0] != '\0' && letter.detail != NULL);
    FUZZ_ASSERT(is_name(letter.provider) && is_name(letter.system) && is_name(letter.account));
    FUZZ_ASSERT(letter.value.data != NULL && bytes_equal(letter.value, rec->value));
    bool is_refused = letter.reason == DEAD_LETTER_REFUSED_BY_BROKER;
    FUZZ_ASSERT(is_refused || letter.refused.topic == NULL);
    if (letter.refused.topic == NULL)
        return;
    FUZZ_ASSERT(letter.refused.topic[0] != '\0' && letter.refused.key.data != NULL);
    FUZZ_ASSERT(letter.refused.headers_len <= 12);
}

/* What decodes is encoded to the same bytes. */
static void check_spooled(struct bytes payload)
{
    CLEANUP(buf_done) struct buf again;
    struct record rec;
    struct diag diag = {0};
    buf_init(&again, 4U << 20);
    uint8_t *encoded = fuzz_alloc(payload.len + 4);
    if (payload.len > 0)
        memcpy(encoded + 4, payload.data, payload.len);
    uint32_t check = murmur2(bytes_of(encoded + 4, payload.len));
    for (int i = 0; i < 4; i++)
        encoded[i] = (uint8_t)(check >> (8 * i));
    enum status status = record_codec_decode(bytes_of(encoded, payload.len + 4), &rec, &diag);
    FUZZ_ASSERT(status == STATUS_OK || (status == STATUS_INVALID && diag.text[0] != '\0'));
    if (status != STATUS_OK)
        return;
    FUZZ_ASSERT(rec.headers_len <= RECORD_HEADERS_MAX && rec.value.data != NULL);
    check_letter(&rec);
    if (!fuzz_is_nomem(record_codec_encode(&rec, &again)))
        FUZZ_ASSERT(bytes_equal(buf_bytes(&again), bytes_of(encoded, payload.len + 4)));
}

/* The bytes that text cannot have: "\\" and two hex digits. */
static struct bytes unescape(struct bytes text)
{
    uint8_t *bytes = fuzz_alloc(text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned byte;
        char digits[3] = {i + 2 < text.len ? (char)text.data[i + 1] : '\0',
                          i + 2 < text.len ? (char)text.data[i + 2] : '\0', '\0'};
        bool is_escape = text.data[i] == '\\' && strspn(digits, "0123456789abcdef") == 2 &&
                         sscanf(digits, "%x", &byte) == 1;
        bytes[len++] = is_escape ? (uint8_t)byte : text.data[i];
        i += is_escape ? 2 : 0;
    }
    return bytes_of(bytes, len);
}

void fuzz_one(struct bytes input)
{
    struct record rec = {.topic = "maesn.dead-letter", .key = BYTES_LITERAL("acme-42")};
    check_spooled(unescape(input));
    while (input.len > 0 && rec.headers_len < RECORD_HEADERS_MAX) {
        struct bytes line = fuzz_line(&input);
        const uint8_t *colon = line.len == 0 ? NULL : memmem(line.data, line.len, ": ", 2);
        if (colon == NULL)
            break;
        size_t len = (size_t)(colon - line.data);
        record_add_header(&rec, fuzz_text(bytes_of(line.data, len)),
                          bytes_of(colon + 2, line.len - len - 2));
    }
    rec.value = input;
    check_letter(&rec);
}
