#include "bridge/providers/api_request.h"

#include "bridge/base/secret.h"

void api_url_begin(struct api_url *u, const char *base_url, struct diag *diag)
{
    *u = (struct api_url){.diag = diag};
    buf_init(&u->text, API_REQUEST_URL_MAX);
    buf_append_text(&u->text, base_url);
}

void api_url_done(struct api_url *u)
{
    buf_done(&u->text);
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Source: RFC 3986, sections 2.1 and 2.3. */
static void append_escaped(struct api_url *u, const char *what, const char *text)
{
    if (u->status == STATUS_OK && strlen(text) > API_REQUEST_PART_MAX)
        u->status = diag_set(u->diag, STATUS_INVALID, "%s is longer than %d bytes", what,
                             API_REQUEST_PART_MAX);
    if (u->status != STATUS_OK)
        return;
    for (; *text != '\0'; text++) {
        if (is_unreserved(*text))
            buf_append(&u->text, text, 1);
        else
            buf_printf(&u->text, "%%%02X", (unsigned)(unsigned char)*text);
    }
}

/* Source: RFC 3986 section 5.2.4: a client takes dot segments away, escaped or not. */
static bool is_segment(const char *text)
{
    return *text != '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

void api_url_segment(struct api_url *u, const char *what, const char *text)
{
    if (u->status == STATUS_OK && !is_segment(text))
        u->status =
            diag_set(u->diag, STATUS_INVALID, "%s: \"%s\" has no place in a URL", what, text);
    buf_append_text(&u->text, "/");
    append_escaped(u, what, text);
}

void api_url_query(struct api_url *u, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_printf(&u->text, "%c%s=", u->has_query ? '&' : '?', name);
    append_escaped(u, name, value);
    u->has_query = true;
}

enum status api_url_end(struct api_url *u, struct arena *a, const char **ret)
{
    if (u->status != STATUS_OK)
        return u->status;
    if (u->text.status == STATUS_INVALID)
        return diag_set(u->diag, STATUS_INVALID, "a URL is longer than %d bytes",
                        API_REQUEST_URL_MAX);
    const char *copy = u->text.status == STATUS_OK ? arena_dup(a, buf_bytes(&u->text)) : NULL;
    if (copy == NULL)
        return STATUS_NOMEM;
    *ret = copy;
    return STATUS_OK;
}

/* Source: RFC 9110 section 5.5: no control character but a tab belongs into a value; a newline
 * would start a header of its own. */
static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] == 0x7f)
            return true;
    return false;
}

enum status api_request_header(struct provider_request *r, const char *name, const char *text,
                               const struct secret *secret, struct diag *diag)
{
    if (secret != NULL && has_control(secret_bytes(secret)))
        return diag_set(diag, STATUS_INVALID,
                        "the key for %s holds a control character, expected one line of text",
                        name);
    r->headers[r->headers_len++] = (struct provider_header){name, text, secret};
    return STATUS_OK;
}

enum status api_request_body(struct provider_request *r, const struct buf *json, struct arena *a,
                             struct diag *diag)
{
    if (json->status == STATUS_INVALID)
        return diag_set(diag, STATUS_INVALID, "a request's body is longer than %u bytes",
                        API_REQUEST_BODY_MAX);
    const char *copy = json->status == STATUS_OK ? arena_dup(a, buf_bytes(json)) : NULL;
    if (copy == NULL)
        return STATUS_NOMEM;
    r->body = bytes_of(copy, json->len);
    return api_request_header(r, "Content-Type", "application/json", NULL, diag);
}
