/* A stranger's JSON is judged as jansson judges it, and taken apart without losing a byte. */
#include <jansson.h>
#include <string.h>

#include "bridge/base/scoped.h"
#include "bridge/providers/json_scan.h"
#include "tests/fuzz/fuzz.h"

/* A key that is longer, with its escapes, is none that is asked for. */
static const size_t key_max = 256;

void fuzz_start(void)
{
}

/* JSON_MALFORMED also where something follows the value. */
static bool scan(struct bytes text, enum json_verdict *ret)
{
    CLEANUP(json_scan_done) struct json_scan s;
    struct bytes value = {NULL, 0};
    json_scan_init(&s, text, fuzz_arena());
    enum status status = json_scan_value(&s, ret, &value);
    if (fuzz_is_nomem(status))
        return false;
    FUZZ_ASSERT(status == STATUS_OK && s.at <= text.len);
    if (*ret != JSON_MALFORMED) {
        FUZZ_ASSERT(value.data >= text.data && value.len > 0);
        FUZZ_ASSERT(value.data + value.len <= text.data + text.len);
        if (json_scan_peek(&s) != -1)
            *ret = JSON_MALFORMED;
    }
    return true;
}

/* Whether jansson has an opinion that counts, and which. It has none of numbers beyond a double, of
 * U+0000 in a key, and of half a surrogate pair; and it swallows a NUL behind a number (2.14,
 * measured). */
static bool ask_jansson(struct bytes text, enum json_verdict *ret)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t error;
    json_t *json =
        json_loadb((const char *)text.data, text.len, flags | JSON_REJECT_DUPLICATES, &error);
    *ret = JSON_WELL_FORMED;
    if (json == NULL && json_error_code(&error) == json_error_duplicate_key) {
        *ret = JSON_DUPLICATE_KEYS;
        json = json_loadb((const char *)text.data, text.len, flags, &error);
    }
    if (json == NULL && json_error_code(&error) == json_error_stack_overflow)
        *ret = JSON_TOO_DEEP;
    else if (json == NULL)
        *ret = JSON_MALFORMED;
    bool has_escape = memmem(text.data, text.len, "\\u", 2) != NULL;
    bool has_nul = memchr(text.data, '\0', text.len) != NULL;
    bool has_opinion = json != NULL || (json_error_code(&error) != json_error_numeric_overflow &&
                                        *ret != JSON_TOO_DEEP && !has_escape);
    json_decref(json);
    return has_opinion && !has_nul;
}

static void take_apart(struct bytes value);

/* Between its members there is white space and punctuation only. */
static void check_gap(const uint8_t *from, const uint8_t *to)
{
    FUZZ_ASSERT(from <= to);
    for (; from < to; from++)
        FUZZ_ASSERT(*from != '\0' && strchr(" \t\r\n,:", *from) != NULL);
}

static void take_object_apart(struct bytes object)
{
    const uint8_t *end = object.data + 1;
    struct json_member m;
    for (size_t at = 0; json_scan_next_member(object, &at, &m);) {
        check_gap(end, m.whole.data);
        FUZZ_ASSERT(m.key.data == m.whole.data && json_scan_is_string(m.key));
        check_gap(m.key.data + m.key.len, m.value.data);
        end = m.whole.data + m.whole.len;
        FUZZ_ASSERT(end == m.value.data + m.value.len);
        take_apart(m.value);
    }
    check_gap(end, object.data + object.len - 1);
}

static void take_array_apart(struct bytes array)
{
    const uint8_t *end = array.data + 1;
    struct bytes element;
    for (size_t at = 0; json_scan_next_element(array, &at, &element);) {
        check_gap(end, element.data);
        end = element.data + element.len;
        take_apart(element);
    }
    check_gap(end, array.data + array.len - 1);
}

/* Its text is what jansson reads, where that reads it at all. */
static void read_string(struct bytes value)
{
    const char *text = json_scan_text(value, fuzz_arena());
    json_t *json =
        json_loadb((const char *)value.data, value.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    FUZZ_ASSERT(text != NULL || fuzz_is_short_of_memory());
    if (text != NULL && json != NULL) {
        bool has_nul = strlen(json_string_value(json)) != json_string_length(json);
        FUZZ_ASSERT(has_nul || strcmp(text, json_string_value(json)) == 0);
        FUZZ_ASSERT(has_nul || value.len > key_max ||
                    json_scan_key_is(value, json_string_value(json)));
    }
    json_decref(json);
}

static void take_apart(struct bytes value)
{
    FUZZ_ASSERT(value.len > 0 && strchr(" \t\r\n", value.data[0]) == NULL);
    if (value.data[0] == '{')
        take_object_apart(value);
    else if (value.data[0] == '[')
        take_array_apart(value);
    else if (json_scan_is_string(value))
        read_string(value);
}

void fuzz_one(struct bytes input)
{
    enum json_verdict ours, theirs;
    if (!scan(input, &ours))
        return;
    if (ask_jansson(input, &theirs) && ours != JSON_TOO_DEEP)
        FUZZ_ASSERT(ours == theirs);
    if (ours != JSON_WELL_FORMED)
        return;
    CLEANUP(json_scan_done) struct json_scan s;
    json_scan_init(&s, input, fuzz_arena());
    struct bytes value;
    if (json_scan_value(&s, &ours, &value) == STATUS_OK)
        take_apart(value);
}
