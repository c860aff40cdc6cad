#include "bridge/domain/trace_context.h"

#include <string.h>

#include "bridge/base/crypto.h"

/* "00-" trace id "-" parent id "-" flags. */
#define TRACEPARENT_LEN (TRACEPARENT_SIZE - 1)

/* Source: W3C Trace Context Level 2, sections 3.2.2.5 and 3.3.1. */
static const unsigned flag_sampled = 0x01, flag_random = 0x02;
#define TRACESTATE_MEMBERS_MAX 32
static const size_t tracestate_max = 512, member_long = 128, key_max = 256, value_max = 256;

static bool is_lower_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Copies exactly len lower-case hex digits; false if there are others, or all are zero. */
static bool take_id(const char *text, size_t len, char *ret)
{
    bool is_zero = true;
    for (size_t i = 0; i < len; i++) {
        if (!is_lower_hex(text[i]))
            return false;
        is_zero = is_zero && text[i] == '0';
        ret[i] = text[i];
    }
    ret[len] = '\0';
    return !is_zero;
}

static unsigned hex_value(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool take_byte(const char *text, unsigned *ret)
{
    if (!is_lower_hex(text[0]) || !is_lower_hex(text[1]))
        return false;
    *ret = hex_value(text[0]) << 4 | hex_value(text[1]);
    return true;
}

bool traceparent_parse(const char *text, struct traceparent *ret)
{
    unsigned version;
    if (text == NULL || strlen(text) < TRACEPARENT_LEN || !take_byte(text, &version))
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-')
        return false;
    if (!take_id(text + 3, 32, ret->trace_id) || !take_id(text + 36, 16, ret->parent_id) ||
        !take_byte(text + 53, &ret->flags))
        return false;
    char after = text[TRACEPARENT_LEN];
    if (version == 0)
        return after == '\0';
    return version != 0xff && (after == '\0' || after == '-');
}

void traceparent_format(const struct traceparent *t, char ret[TRACEPARENT_SIZE])
{
    const uint8_t flags = (uint8_t)(t->flags & (flag_sampled | flag_random));
    memcpy(ret, "00-", 3); /* NOLINT(bugprone-not-null-terminated-result): its first part */
    memcpy(ret + 3, t->trace_id, 32);
    ret[35] = '-';
    memcpy(ret + 36, t->parent_id, 16);
    ret[52] = '-';
    hex_encode(bytes_of(&flags, 1), ret + 53);
}

static enum status random_id(size_t len, char *ret)
{
    uint8_t id[16];
    enum status status = crypto_random_id(id, len);
    if (status != STATUS_OK)
        return status;
    id[len - 1] |= 1; /* an id of zeroes means none */
    hex_encode(bytes_of(id, len), ret);
    return STATUS_OK;
}

enum status traceparent_restart(struct traceparent *ret)
{
    enum status status = random_id(16, ret->trace_id);
    /* Sampled: consumers with a parent-based sampler would otherwise never record a callback. */
    ret->flags = flag_sampled | flag_random;
    return status == STATUS_OK ? traceparent_continue(ret) : status;
}

enum status traceparent_continue(struct traceparent *t)
{
    return random_id(8, t->parent_id);
}

static bool is_key(struct bytes key)
{
    if (key.len == 0 || key.len > key_max)
        return false;
    for (size_t i = 0; i < key.len; i++) {
        char c = (char)key.data[i];
        bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool is_sign = c != '\0' && strchr("_-*/@", c) != NULL;
        if (!is_alphanumeric && (i == 0 || !is_sign))
            return false;
    }
    return true;
}

/* Printable ASCII without "," and "="; no space at its end, which trimming has seen to. */
static bool is_value(struct bytes value)
{
    if (value.len == 0 || value.len > value_max)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e || value.data[i] == '=')
            return false;
    return true;
}

struct tracestate {
    struct bytes members[TRACESTATE_MEMBERS_MAX];
    size_t key_lens[TRACESTATE_MEMBERS_MAX];
    size_t len;
};

static bool tracestate_add(struct tracestate *ts, struct bytes member)
{
    const uint8_t *equals = memchr(member.data, '=', member.len);
    if (equals == NULL || ts->len == TRACESTATE_MEMBERS_MAX)
        return false;
    struct bytes key = bytes_of(member.data, (size_t)(equals - member.data));
    struct bytes value = bytes_of(equals + 1, member.len - key.len - 1);
    if (!is_key(key) || !is_value(value))
        return false;
    for (size_t i = 0; i < ts->len; i++)
        if (bytes_equal(key, bytes_of(ts->members[i].data, ts->key_lens[i])))
            return false;
    ts->members[ts->len] = member;
    ts->key_lens[ts->len++] = key.len;
    return true;
}

static bool tracestate_parse(const char *text, struct tracestate *ts)
{
    for (const char *next; text != NULL; text = next) {
        const char *comma = strchr(text, ',');
        const char *end = comma == NULL ? text + strlen(text) : comma;
        next = comma == NULL ? NULL : comma + 1;
        while (text < end && (*text == ' ' || *text == '\t'))
            text++;
        while (end > text && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (end > text && !tracestate_add(ts, bytes_of(text, (size_t)(end - text))))
            return false;
    }
    return true;
}

static size_t tracestate_len(const struct tracestate *ts)
{
    size_t len = ts->len == 0 ? 0 : ts->len - 1;
    for (size_t i = 0; i < ts->len; i++)
        len += ts->members[i].len;
    return len;
}

/* The member to give up next: the last of the long ones, else the last. */
static size_t tracestate_least(const struct tracestate *ts)
{
    for (size_t i = ts->len; i > 0; i--)
        if (ts->members[i - 1].len > member_long)
            return i - 1;
    return ts->len - 1;
}

static void tracestate_shorten(struct tracestate *ts)
{
    while (tracestate_len(ts) > tracestate_max) {
        size_t least = tracestate_least(ts);
        ts->len--;
        memmove(&ts->members[least], &ts->members[least + 1],
                (ts->len - least) * sizeof(ts->members[0]));
    }
}

enum status tracestate_forward(const char *text, struct arena *a, const char **ret)
{
    struct tracestate ts = {.len = 0};
    if (text == NULL || !tracestate_parse(text, &ts))
        ts.len = 0;
    tracestate_shorten(&ts);
    if (ts.len == 0) {
        *ret = NULL;
        return STATUS_OK;
    }
    char *joined = arena_alloc(a, tracestate_len(&ts) + 1), *at = joined;
    if (joined == NULL)
        return STATUS_NOMEM;
    for (size_t i = 0; i < ts.len; i++) {
        if (i > 0)
            *at++ = ',';
        memcpy(at, ts.members[i].data, ts.members[i].len);
        at += ts.members[i].len;
    }
    *at = '\0';
    *ret = joined;
    return STATUS_OK;
}
