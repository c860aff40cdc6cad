#include "bridge/providers/json_scan.h"

#include <endian.h>
#include <stdlib.h>

#include "bridge/base/utf8.h"

/* The longest spelling of one character of a key: "\u0061". */
static const size_t escape_len = 6;

/* A frame is the number of the object's first key, and whether it is an object. */
static const uint32_t frame_array = 0, frame_object = 1;

void json_scan_init(struct json_scan *s, struct bytes text, struct arena *a)
{
    *s = (struct json_scan){.text = text, .arena = a};
    buf_init(&s->frames, text.len * sizeof(uint32_t));
    buf_init(&s->keys, text.len * sizeof(struct bytes));
    buf_init(&s->named, text.len * sizeof(struct json_named));
}

void json_scan_done(struct json_scan *s)
{
    buf_done(&s->frames);
    buf_done(&s->keys);
    buf_done(&s->named);
}

static bool is_space(int c)
{
    return c <= ' ' && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int byte_at(struct bytes text, size_t at)
{
    return at < text.len ? text.data[at] : -1;
}

static inline int peek(struct json_scan *s)
{
    int c;
    while (is_space(c = byte_at(s->text, s->at)))
        s->at++;
    return c;
}

int json_scan_peek(struct json_scan *s)
{
    return peek(s);
}

/* As buf_append(), without a call while there is room: a tenth of a scan was such calls. */
static inline void push(struct buf *b, const void *data, size_t len)
{
    if (b->status != STATUS_OK || b->capacity - b->len <= len) {
        buf_append(b, data, len);
        return;
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
}

/* --- scalars -------------------------------------------------------------------------------- */

static int hex_digit(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_escape(struct json_scan *s)
{
    int c = byte_at(s->text, s->at + 1);
    if (c == 'u') {
        for (size_t i = 2; i < escape_len; i++)
            if (hex_digit(byte_at(s->text, s->at + i)) < 0)
                return false;
        s->at += escape_len;
        return true;
    }
    if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL)
        return false;
    s->at += 2;
    return true;
}

/* Moves over what neither ends a string nor needs a look in it, eight bytes at a time.
 * Source: the tests for a byte of zero, or below n, in "Bit Twiddling Hacks", Anderson, 2005: the
 * lowest bit that is set is right. */
static void take_plain(struct json_scan *s)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t eight, found = 0;
    while (found == 0 && s->text.len - s->at >= sizeof(eight)) {
        memcpy(&eight, s->text.data + s->at, sizeof(eight));
        eight = le64toh(eight);
        uint64_t control = eight - each * 0x20, beyond_ascii = eight;
        uint64_t quote = (eight ^ each * '"') - each, backslash = (eight ^ each * '\\') - each;
        found = (control | beyond_ascii | quote | backslash) & each * 0x80;
        s->at += found == 0 ? sizeof(eight) : (size_t)__builtin_ctzll(found) / 8;
    }
}

static bool take_string(struct json_scan *s)
{
    s->at++;
    for (int c; take_plain(s), (c = byte_at(s->text, s->at)) != '"';) {
        size_t len = 1;
        if (c < 0x20)
            return false;
        if (c >= 0x80)
            len = utf8_sequence(s->text.data + s->at, s->text.len - s->at);
        if (len == 0)
            return false;
        if (c != '\\')
            s->at += len;
        else if (!take_escape(s))
            return false;
    }
    s->at++;
    return true;
}

static bool take_digits(struct json_scan *s)
{
    if (!is_digit(byte_at(s->text, s->at)))
        return false;
    while (is_digit(byte_at(s->text, s->at)))
        s->at++;
    return true;
}

static bool take_char(struct json_scan *s, char c)
{
    if (byte_at(s->text, s->at) != c)
        return false;
    s->at++;
    return true;
}

static bool take_number(struct json_scan *s)
{
    take_char(s, '-');
    if (!take_char(s, '0') && !take_digits(s))
        return false;
    if (take_char(s, '.') && !take_digits(s))
        return false;
    if (!take_char(s, 'e') && !take_char(s, 'E'))
        return true;
    if (!take_char(s, '+'))
        take_char(s, '-');
    return take_digits(s);
}

static bool take_word(struct json_scan *s, const char *word)
{
    for (; *word != '\0'; word++)
        if (!take_char(s, *word))
            return false;
    return true;
}

static bool take_scalar(struct json_scan *s, int c)
{
    switch (c) {
    case '"':
        return take_string(s);
    case 't':
        return take_word(s, "true");
    case 'f':
        return take_word(s, "false");
    case 'n':
        return take_word(s, "null");
    default:
        return take_number(s);
    }
}

/* --- strings without their escapes ---------------------------------------------------------- */

static uint32_t code_unit(struct bytes raw, size_t at)
{
    uint32_t unit = 0;
    for (size_t i = 2; i < escape_len; i++)
        unit = unit << 4 | (uint32_t)hex_digit(byte_at(raw, at + i));
    return unit;
}

static bool is_low_surrogate_at(struct bytes raw, size_t at)
{
    return byte_at(raw, at) == '\\' && byte_at(raw, at + 1) == 'u' &&
           (code_unit(raw, at) & 0xfc00) == 0xdc00;
}

/* The character that the escape at *at stands for; moves behind it. */
static uint32_t unescape_one(struct bytes raw, size_t *at)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    int c = byte_at(raw, *at + 1);
    if (c != 'u') {
        const char *letter = strchr(letters, c);
        *at += 2;
        return letter == NULL ? (uint32_t)c : (uint32_t)meanings[letter - letters];
    }
    uint32_t unit = code_unit(raw, *at);
    *at += escape_len;
    if ((unit & 0xfc00) != 0xd800 || !is_low_surrogate_at(raw, *at))
        return unit;
    uint32_t low = code_unit(raw, *at);
    *at += escape_len;
    return 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
}

/* Writes what stands between a string's quotes, never more than that many bytes, and returns the
 * length. A lone surrogate is written as one, so that different keys stay different. */
static size_t unescape(struct bytes string, uint8_t *ret)
{
    struct bytes raw = bytes_of(string.data + 1, string.len - 2);
    size_t len = 0;
    for (size_t at = 0; at < raw.len;) {
        if (raw.data[at] != '\\')
            ret[len++] = raw.data[at++];
        else
            len += utf8_encode(unescape_one(raw, &at), ret + len);
    }
    return len;
}

static bool has_escape(struct bytes string)
{
    return memchr(string.data, '\\', string.len) != NULL;
}

const char *json_scan_text(struct bytes value, struct arena *a)
{
    if (!has_escape(value))
        return arena_dup(a, bytes_of(value.data + 1, value.len - 2));
    char *text = arena_alloc(a, value.len);
    if (text == NULL)
        return NULL;
    size_t len = unescape(value, (uint8_t *)text);
    text[len] = '\0';

    /* What has no place in a C string came from an escape of 6 bytes, so U+FFFD's 3 have room. */
    char *clean = arena_alloc(a, value.len), *to = clean;
    if (clean == NULL)
        return NULL;
    for (size_t at = 0; at < len;) {
        const uint8_t *from = (const uint8_t *)text + at;
        size_t sequence = text[at] == '\0' ? 0 : utf8_sequence(from, len - at);
        const void *piece = sequence == 0 ? (const void *)UTF8_REPLACEMENT : from;
        size_t piece_len = sequence == 0 ? strlen(UTF8_REPLACEMENT) : sequence;
        memcpy(to, piece, piece_len);
        to += piece_len;
        at += sequence > 0 ? sequence : text[at] == '\0' ? 1 : 3;
    }
    *to = '\0';
    return clean;
}

/* --- values --------------------------------------------------------------------------------- */

static size_t keys_len(const struct json_scan *s)
{
    return s->keys.len / sizeof(struct bytes);
}

static size_t depth(const struct json_scan *s)
{
    return s->frames.len / sizeof(uint32_t);
}

static uint32_t *innermost(const struct json_scan *s)
{
    return (uint32_t *)s->frames.data + depth(s) - 1;
}

static bool is_in_object(const struct json_scan *s)
{
    return (*innermost(s) & 1) == frame_object;
}

static int compare_keys(const void *left, const void *right)
{
    const struct bytes *a = left, *b = right;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->data, b->data, a->len);
}

/* So many keys are sooner compared with each other than sorted. */
static const size_t few_keys = 8;

static bool has_equals(const struct bytes *keys, size_t len)
{
    for (size_t i = 1; i < len; i++)
        for (size_t k = 0; k < i; k++)
            if (bytes_equal(keys[i], keys[k]))
                return true;
    return false;
}

/* Sorts, as the keys are of no further use. */
static bool has_duplicates(struct bytes *keys, size_t len)
{
    if (len <= few_keys)
        return has_equals(keys, len);
    qsort(keys, len, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < len; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return true;
    return false;
}

static void worsen(enum json_verdict *verdict, enum json_verdict to)
{
    if (to < *verdict)
        *verdict = to;
}

static void open_frame(struct json_scan *s, uint32_t kind, enum json_verdict *verdict)
{
    uint32_t frame = (uint32_t)keys_len(s) << 1 | kind;
    push(&s->frames, &frame, sizeof(frame));
    s->at++;
    if (depth(s) > JSON_DEPTH_MAX)
        worsen(verdict, JSON_TOO_DEEP);
}

static void close_frame(struct json_scan *s, enum json_verdict *verdict)
{
    if (is_in_object(s)) {
        size_t first = *innermost(s) >> 1;
        size_t len = keys_len(s) - first; /* without any, there may be no memory for them */
        if (len > 1 && has_duplicates((struct bytes *)s->keys.data + first, len))
            worsen(verdict, JSON_DUPLICATE_KEYS);
        s->keys.len = first * sizeof(struct bytes);
    }
    s->frames.len -= sizeof(uint32_t);
    s->at++;
}

/* Of the value itself: its keys are the outermost. */
static bool is_in_value(const struct json_scan *s)
{
    return depth(s) == 1 && is_in_object(s);
}

/* Notes a member by its key; the rest of it is to come. */
static void begin_named(struct json_scan *s, struct bytes name, size_t start)
{
    struct json_named named = {.name = name, .whole = {s->text.data + start, 0}};
    if (is_in_value(s))
        push(&s->named, &named, sizeof(named));
}

static struct json_named *last_named(const struct json_scan *s)
{
    return (struct json_named *)(s->named.data + s->named.len) - 1;
}

static void begin_named_value(const struct json_scan *s)
{
    if (is_in_value(s))
        last_named(s)->value.data = s->text.data + s->at;
}

static void end_named(const struct json_scan *s)
{
    struct json_named *named = last_named(s);
    const uint8_t *end = s->text.data + s->at;
    named->value.len = (size_t)(end - named->value.data);
    named->whole.len = (size_t)(end - named->whole.data);
}

/* The key and its colon; the key joins those of its object. */
static enum status take_key(struct json_scan *s, bool *ret_is_fine)
{
    *ret_is_fine = false;
    if (peek(s) != '"')
        return STATUS_OK;
    size_t start = s->at;
    if (!take_string(s))
        return STATUS_OK;
    struct bytes string = bytes_of(s->text.data + start, s->at - start);
    struct bytes key = bytes_of(string.data + 1, string.len - 2);
    if (has_escape(string)) {
        uint8_t *decoded = arena_alloc(s->arena, string.len);
        if (decoded == NULL)
            return STATUS_NOMEM;
        key = bytes_of(decoded, unescape(string, decoded));
    }
    push(&s->keys, &key, sizeof(key));
    begin_named(s, key, start);
    *ret_is_fine = peek(s) == ':';
    s->at += *ret_is_fine;
    bool has_room = s->keys.status == STATUS_OK && s->named.status == STATUS_OK;
    return has_room ? STATUS_OK : STATUS_NOMEM;
}

/* Where the scan stands between two tokens. */
enum expectation {
    EXPECT_VALUE = 0,
    EXPECT_VALUE_OR_END, /* behind "[" */
    EXPECT_KEY,          /* behind "," in an object */
    EXPECT_KEY_OR_END,   /* behind "{" */
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING, /* the value is complete */
    EXPECT_FAILED,
};

static enum expectation after_value(const struct json_scan *s)
{
    if (is_in_value(s))
        end_named(s);
    return depth(s) == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static enum expectation step_value(struct json_scan *s, enum json_verdict *verdict)
{
    int c = peek(s);
    begin_named_value(s);
    if (c == '{' || c == '[') {
        open_frame(s, c == '{' ? frame_object : frame_array, verdict);
        return c == '{' ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    }
    return take_scalar(s, c) ? after_value(s) : EXPECT_FAILED;
}

static enum expectation step_comma_or_end(struct json_scan *s, enum json_verdict *verdict)
{
    int c = peek(s);
    bool in_object = is_in_object(s);
    if (c == ',') {
        s->at++;
        return in_object ? EXPECT_KEY : EXPECT_VALUE;
    }
    if (c != (in_object ? '}' : ']'))
        return EXPECT_FAILED;
    close_frame(s, verdict);
    return after_value(s);
}

static enum status step(struct json_scan *s, enum expectation *expect, enum json_verdict *verdict)
{
    enum status status = STATUS_OK;
    bool is_fine;
    switch (*expect) {
    case EXPECT_VALUE_OR_END:
        *expect = peek(s) == ']' ? EXPECT_COMMA_OR_END : EXPECT_VALUE;
        break;
    case EXPECT_VALUE:
        *expect = step_value(s, verdict);
        break;
    case EXPECT_KEY_OR_END:
        *expect = peek(s) == '}' ? EXPECT_COMMA_OR_END : EXPECT_KEY;
        break;
    case EXPECT_KEY:
        status = take_key(s, &is_fine);
        *expect = is_fine ? EXPECT_VALUE : EXPECT_FAILED;
        break;
    case EXPECT_COMMA_OR_END:
        *expect = step_comma_or_end(s, verdict);
        break;
    case EXPECT_NOTHING:
    case EXPECT_FAILED:
        break;
    }
    return s->frames.status != STATUS_OK ? STATUS_NOMEM : status;
}

enum status json_scan_value(struct json_scan *s, enum json_verdict *ret_verdict,
                            struct bytes *ret_value)
{
    enum expectation expect = EXPECT_VALUE;
    enum json_verdict verdict = JSON_WELL_FORMED;
    enum status status = STATUS_OK;
    peek(s);
    size_t start = s->at;
    s->frames.len = 0;
    s->keys.len = 0;
    s->named.len = 0;
    while (status == STATUS_OK && expect != EXPECT_NOTHING && expect != EXPECT_FAILED)
        status = step(s, &expect, &verdict);
    if (status != STATUS_OK)
        return status;
    if (expect == EXPECT_FAILED)
        s->named.len = 0;
    *ret_verdict = expect == EXPECT_FAILED ? JSON_MALFORMED : verdict;
    *ret_value = bytes_of(s->text.data + start, s->at - start);
    return STATUS_OK;
}

const struct json_named *json_scan_named(const struct json_scan *s, size_t *ret_len)
{
    *ret_len = s->named.len / sizeof(struct json_named);
    return (const struct json_named *)s->named.data;
}

/* --- in a value that was found well-formed -------------------------------------------------- */

static size_t skip_string(struct bytes text, size_t at)
{
    at++;
    while (text.data[at] != '"')
        at += text.data[at] == '\\' ? 2 : 1;
    return at + 1;
}

/* Behind the value at `at`, which ends at the next comma or the end of what it stands in. */
static size_t skip_value(struct bytes text, size_t at)
{
    for (size_t open = 0; at < text.len;) {
        uint8_t c = text.data[at];
        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (open == 0 && (c == ',' || c == '}' || c == ']'))
            break;
        open += c == '{' || c == '[';
        open -= c == '}' || c == ']';
        at++;
    }
    while (is_space(text.data[at - 1]))
        at--;
    return at;
}

static size_t skip_space(struct bytes text, size_t at)
{
    while (is_space(byte_at(text, at)))
        at++;
    return at;
}

bool json_scan_next_member(struct bytes object, size_t *at, struct json_member *ret)
{
    size_t start = skip_space(object, *at);
    if (object.data[start] == '}')
        return false;
    start = skip_space(object, start + 1); /* behind "{" or "," */
    if (object.data[start] == '}')
        return false;
    size_t key_end = skip_string(object, start);
    size_t value = skip_space(object, skip_space(object, key_end) + 1);
    size_t end = skip_value(object, value);
    ret->key = bytes_of(object.data + start, key_end - start);
    ret->value = bytes_of(object.data + value, end - value);
    ret->whole = bytes_of(object.data + start, end - start);
    *at = end;
    return true;
}

bool json_scan_next_element(struct bytes array, size_t *at, struct bytes *ret)
{
    size_t start = skip_space(array, *at);
    if (array.data[start] == ']')
        return false;
    start = skip_space(array, start + 1); /* behind "[" or "," */
    if (array.data[start] == ']')
        return false;
    *at = skip_value(array, start);
    *ret = bytes_of(array.data + start, *at - start);
    return true;
}

bool json_scan_key_is(struct bytes key, const char *name)
{
    uint8_t decoded[256];
    if (!has_escape(key))
        return bytes_equal(bytes_of(key.data + 1, key.len - 2), bytes_of_text(name));
    if (key.len > sizeof(decoded))
        return false; /* no name of ours is that long, however it is spelled */
    return bytes_equal(bytes_of(decoded, unescape(key, decoded)), bytes_of_text(name));
}

bool json_scan_is_string(struct bytes value)
{
    return value.data[0] == '"';
}

bool json_scan_is_number(struct bytes value)
{
    return value.data[0] == '-' || is_digit(value.data[0]);
}
