#include "bridge/providers/moneybird/signature.h"

/* Seconds that fit into milliseconds of 64 bits with room to spare: until the year 33658. */
static const size_t timestamp_digits_max = 12;

static struct bytes trimmed(const char *start, const char *end)
{
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return bytes_of(start, (size_t)(end - start));
}

static bool take_timestamp(struct bytes digits, struct signature *ret)
{
    if (digits.len == 0 || digits.len > timestamp_digits_max)
        return false;
    int64_t seconds = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
        seconds = seconds * 10 + (digits.data[i] - '0');
    }
    ret->timestamp = digits;
    ret->unix_ms = seconds * 1000;
    return true;
}

static void take_v1(struct bytes hex, struct signature *ret)
{
    if (ret->v1_len < SIGNATURES_MAX && hex_decode(hex, ret->v1[ret->v1_len], CRYPTO_SHA256_SIZE))
        ret->v1_len++;
}

static bool begins_with(struct bytes text, const char *name, struct bytes *ret_rest)
{
    size_t len = strlen(name);
    if (text.len < len || memcmp(text.data, name, len) != 0)
        return false;
    *ret_rest = bytes_of(text.data + len, text.len - len);
    return true;
}

bool signature_parse(const char *text, struct signature *ret)
{
    ret->timestamp = bytes_of(NULL, 0);
    ret->v1_len = 0;
    for (const char *next; text != NULL; text = next) {
        const char *comma = strchr(text, ',');
        next = comma == NULL ? NULL : comma + 1;
        struct bytes part = trimmed(text, comma == NULL ? text + strlen(text) : comma), rest;
        if (begins_with(part, "v1=", &rest))
            take_v1(rest, ret);
        else if (begins_with(part, "t=", &rest) &&
                 (ret->timestamp.data != NULL || !take_timestamp(rest, ret)))
            return false; /* two timestamps: which one was signed? */
    }
    return ret->timestamp.data != NULL && ret->v1_len > 0;
}
