#include "bridge/domain/specification.h"

#include <stdio.h>

#include "bridge/domain/slug.h"

/* Whether text is what slug_write() makes of something: then reading and writing are each other's
 * inverse, and one subscription has one text. */
static bool is_slug(const char *text)
{
    char same[SPECIFICATION_PART_MAX + 1];
    slug_write(text, SPECIFICATION_PART_MAX, same);
    return text[0] != '\0' && strcmp(text, same) == 0;
}

static bool is_valid(const struct specification *s)
{
    return is_slug(s->provider) && account_id_is_valid(s->account) && is_slug(s->resource) &&
           is_slug(s->event);
}

/* Cuts the text to fit; returns false if it had to. */
static bool copy_text(struct bytes text, char *ret, size_t size)
{
    size_t len = text.len < size ? text.len : size - 1;
    memcpy(ret, text.data, len);
    ret[len] = '\0';
    return len == text.len && strlen(ret) == len;
}

bool specification_set(struct specification *ret, const char *provider, const char *account,
                       const char *resource, const char *event)
{
    slug_write(resource == NULL ? SPECIFICATION_ALL : resource, SPECIFICATION_PART_MAX,
               ret->resource);
    slug_write(event == NULL ? SPECIFICATION_ALL : event, SPECIFICATION_PART_MAX, ret->event);
    bool fits = copy_text(bytes_of_text(provider), ret->provider, sizeof(ret->provider));
    fits = copy_text(bytes_of_text(account), ret->account, sizeof(ret->account)) && fits;
    return fits && is_valid(ret);
}

void specification_text(const struct specification *s, char ret[SPECIFICATION_TEXT_SIZE])
{
    snprintf(ret, SPECIFICATION_TEXT_SIZE, "%s/%s/%s/%s", s->provider, s->account, s->resource,
             s->event);
}

/* Takes the text up to the next "/", or all of it; *rest is what is behind it, with data == NULL if
 * there was no "/". */
static struct bytes take_part(struct bytes *rest)
{
    const uint8_t *slash = rest->len == 0 ? NULL : memchr(rest->data, '/', rest->len);
    struct bytes part = *rest;
    if (slash == NULL) {
        *rest = bytes_of(NULL, 0);
        return part;
    }
    part.len = (size_t)(slash - rest->data);
    *rest = bytes_of(slash + 1, rest->len - part.len - 1);
    return part;
}

bool specification_parse(struct bytes text, struct specification *ret)
{
    const struct {
        char *text;
        size_t size;
    } parts[] = {
        {ret->provider, sizeof(ret->provider)},
        {ret->account, sizeof(ret->account)},
        {ret->resource, sizeof(ret->resource)},
        {ret->event, sizeof(ret->event)},
    };
    struct bytes rest = text;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (rest.data == NULL || !copy_text(take_part(&rest), parts[i].text, parts[i].size))
            return false;
    return rest.data == NULL && is_valid(ret);
}

bool specification_equal(const struct specification *a, const struct specification *b)
{
    return strcmp(a->provider, b->provider) == 0 && strcmp(a->account, b->account) == 0 &&
           strcmp(a->resource, b->resource) == 0 && strcmp(a->event, b->event) == 0;
}

const char *specification_wire_name(const char *part, char ret[SPECIFICATION_PART_MAX + 1])
{
    if (strcmp(part, SPECIFICATION_ALL) == 0)
        return NULL;
    size_t len = 0;
    for (; len < SPECIFICATION_PART_MAX && part[len] != '\0'; len++) {
        char c = part[len];
        if (c == '-')
            c = '_';
        else if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        ret[len] = c;
    }
    ret[len] = '\0';
    return ret;
}
