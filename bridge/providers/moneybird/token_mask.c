#include "bridge/providers/moneybird/token_mask.h"

#include <ctype.h>

#define TOKEN_KEY "webhook_token"

/* Behind the key: the quote that ends it, the colon, and the one that begins the value. */
static size_t value_start(struct bytes text, size_t at, bool *ret_is_quoted)
{
    *ret_is_quoted = false;
    bool is_separated = false;
    for (; at < text.len; at++) {
        uint8_t c = text.data[at];
        if (c == '"' && is_separated) {
            *ret_is_quoted = true;
            return at + 1;
        }
        if (c == ':' || c == '=')
            is_separated = true;
        else if (strchr("\" \t\r\n\\", c) == NULL)
            break;
    }
    return is_separated ? at : text.len;
}

static bool ends_value(struct bytes text, size_t at, bool is_quoted)
{
    uint8_t c = text.data[at];
    return is_quoted ? c == '"' : c == '\0' || strchr(",&}] \t\r\n", c) != NULL;
}

/* Returns where the value ends, so that no byte is looked at twice. */
static size_t mask_value(uint8_t *copy, struct bytes text, size_t at)
{
    bool is_quoted;
    for (at = value_start(text, at, &is_quoted); at < text.len; at++) {
        if (ends_value(text, at, is_quoted))
            break;
        bool is_escape = is_quoted && text.data[at] == '\\' && at + 1 < text.len;
        copy[at] = '*';
        if (is_escape)
            copy[++at] = '*';
    }
    return at;
}

static const uint8_t *find(struct bytes text, size_t from, struct bytes what)
{
    return memmem(text.data + from, text.len - from, what.data, what.len);
}

static bool is_word(struct bytes text, size_t at)
{
    return at < text.len && (isalnum(text.data[at]) || text.data[at] == '_');
}

/* Not a part of a longer word: a token "tok" is not in "webhook_token". */
static bool stands_alone(struct bytes text, size_t at, size_t len)
{
    return !(at > 0 && is_word(text, at - 1)) && !is_word(text, at + len);
}

struct bytes token_mask(struct bytes raw, struct bytes token, struct arena *a)
{
    static const struct bytes key = {(const uint8_t *)TOKEN_KEY, sizeof(TOKEN_KEY) - 1};
    uint8_t *copy = arena_alloc(a, raw.len + 1);
    if (copy == NULL || raw.len == 0)
        return bytes_of(copy, 0);
    memcpy(copy, raw.data, raw.len);
    const uint8_t *found;
    for (size_t at = 0; (found = find(raw, at, key)) != NULL;)
        at = mask_value(copy, raw, (size_t)(found - raw.data) + key.len);
    for (size_t at = 0; token.len > 0 && (found = find(raw, at, token)) != NULL; at += token.len) {
        at = (size_t)(found - raw.data);
        if (stands_alone(raw, at, token.len))
            memset(copy + at, '*', token.len);
    }
    return bytes_of(copy, raw.len);
}
