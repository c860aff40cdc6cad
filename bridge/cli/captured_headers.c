#include "bridge/cli/captured_headers.h"

#include <ctype.h>
#include <strings.h>

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && isspace(text.data[0]))
        text = bytes_of(text.data + 1, text.len - 1);
    while (text.len > 0 && isspace(text.data[text.len - 1]))
        text.len--;
    return text;
}

/* Source: RFC 9110 section 5.6.2, token. */
static bool is_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum(name.data[i]) && strchr("!#$%&'*+-.^_`|~", name.data[i]) == NULL)
            return false;
    return name.len > 0;
}

/* Source: curl's -v output: "> " before what it sends, "< " before what it gets, "* " before its
 * own words. */
static bool is_of_the_request(struct bytes *line)
{
    if (line->len > 0 && (line->data[0] == '<' || line->data[0] == '*'))
        return false;
    if (line->len > 0 && line->data[0] == '>')
        *line = bytes_of(line->data + 1, line->len - 1);
    *line = trimmed(*line);
    return true;
}

static bool take_line(struct bytes line, struct bytes *ret_name, struct bytes *ret_value)
{
    if (!is_of_the_request(&line))
        return false;
    const uint8_t *colon = line.len == 0 ? NULL : memchr(line.data, ':', line.len);
    if (colon == NULL)
        return false;
    *ret_name = bytes_of(line.data, (size_t)(colon - line.data));
    *ret_value = trimmed(bytes_of(colon + 1, line.len - ret_name->len - 1));
    return is_name(*ret_name);
}

enum status captured_headers_parse(struct bytes text, struct arena *a, struct captured_headers *ret)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    struct captured_headers h = {.items = arena_alloc(a, lines * sizeof(h.items[0]))};
    if (h.items == NULL)
        return STATUS_NOMEM;

    for (size_t at = 0; at < text.len;) {
        const uint8_t *newline = memchr(text.data + at, '\n', text.len - at);
        size_t len = newline == NULL ? text.len - at : (size_t)(newline - text.data) - at;
        struct bytes name, value;
        if (take_line(bytes_of(text.data + at, len), &name, &value)) {
            struct captured_header *header = &h.items[h.len++];
            header->name = arena_dup(a, name);
            header->value = arena_dup(a, value);
            if (header->name == NULL || header->value == NULL)
                return STATUS_NOMEM;
        }
        at += len + 1;
    }
    *ret = h;
    return STATUS_OK;
}

const char *captured_headers_find(const struct captured_headers *h, const char *name)
{
    for (size_t i = 0; i < h->len; i++)
        if (strcasecmp(h->items[i].name, name) == 0)
            return h->items[i].value;
    return NULL;
}

size_t captured_headers_count(const struct captured_headers *h, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < h->len; i++)
        count += strcasecmp(h->items[i].name, name) == 0;
    return count;
}
