#include "bridge/httpclient/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "bridge/base/buf.h"
#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/httpclient/base_url.h"

/* Bounds of what is asked: everything the bridge sends is far below. */
#define URL_MAX 4096
#define HEADERS_MAX 32
#define HEADER_LINE_MAX 8192
#define BODY_MAX 1048576
#define START_WITHIN_MAX_MS 86400000

DEFINE_CLEANUP(struct call *, call_free)

static void wipe_done(struct buf *b)
{
    if (b->data != NULL)
        crypto_wipe(b->data, b->capacity);
    buf_done(b);
}

/* Source: RFC 9110 section 5.6.2, token. */
static bool is_token(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789!#$%&'*+-.^_`|~";
    return text[0] != '\0' && text[strspn(text, letters)] == '\0';
}

/* An empty value would mean "leave this header out" to libcurl. */
static bool is_header_value(struct bytes value)
{
    if (value.len == 0 || value.len > HEADER_LINE_MAX / 2)
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < ' ' || value.data[i] == 0x7f)
            return false;
    return true;
}

static enum status add_line(struct call *call, const char *line)
{
    struct curl_slist *headers = curl_slist_append(call->headers, line);
    if (headers == NULL)
        return STATUS_NOMEM;
    call->headers = headers;
    return STATUS_OK;
}

static enum status add_header(struct call *call, const struct http_header *header,
                              struct diag *diag)
{
    if (!is_token(header->name))
        return diag_set(diag, STATUS_INVALID, "a header's name is not a token");
    if (!is_header_value(header->value))
        return diag_set(diag, STATUS_INVALID, "header %.100s: its value cannot be sent",
                        header->name);
    CLEANUP(wipe_done) struct buf line;
    buf_init(&line, HEADER_LINE_MAX);
    enum status status = buf_reserve(&line, HEADER_LINE_MAX); /* no copy is left by growing */
    if (status != STATUS_OK)
        return status;
    buf_append_text(&line, header->name);
    buf_append_text(&line, ": ");
    buf_append_bytes(&line, header->value);
    if (line.status != STATUS_OK)
        return diag_set(diag, line.status, "header %.100s is too long", header->name);
    return add_line(call, buf_text(&line));
}

/* Takes away what libcurl adds to a body by itself: a wait for "100 Continue" and a media type. */
static enum status add_headers(struct call *call, const struct http_request *request,
                               struct diag *diag)
{
    bool has_type = false;
    if (request->headers_len > HEADERS_MAX)
        return diag_set(diag, STATUS_INVALID, "%zu headers, expected at most %d",
                        request->headers_len, HEADERS_MAX);
    for (size_t i = 0; i < request->headers_len; i++) {
        enum status status = add_header(call, &request->headers[i], diag);
        if (status != STATUS_OK)
            return status;
        has_type = has_type || strcasecmp(request->headers[i].name, "Content-Type") == 0;
    }
    enum status status = add_line(call, "Expect:");
    return status != STATUS_OK || has_type ? status : add_line(call, "Content-Type:");
}

/* The longest base that covers the URL, so that a base inside another has its own limits. */
static bool find_base(const struct http_base bases[], size_t bases_len, const char *url,
                      size_t *ret)
{
    size_t longest = 0;
    for (size_t i = 0; i < bases_len; i++) {
        size_t len = strlen(bases[i].url);
        if (len > longest && base_url_covers(bases[i].url, url)) {
            longest = len;
            *ret = i;
        }
    }
    return longest > 0;
}

static enum status copy_body(struct call *call, struct bytes body)
{
    if (body.data == NULL)
        return STATUS_OK;
    uint8_t *copy = malloc(body.len + 1);
    if (copy == NULL)
        return STATUS_NOMEM;
    memcpy(copy, body.data, body.len);
    call->body = bytes_of(copy, body.len);
    return STATUS_OK;
}

enum status call_new(const struct http_base bases[], size_t bases_len,
                     const struct http_request *request, struct call **ret, struct diag *diag)
{
    size_t base;
    if (strlen(request->url) > URL_MAX || request->body.len > BODY_MAX)
        return diag_set(diag, STATUS_INVALID, "the URL or the body is too long to be sent");
    if (!find_base(bases, bases_len, request->url, &base))
        return diag_set(diag, STATUS_INVALID, "the URL is not below a configured base_url");
    if (request->start_within_ms < 0 || request->start_within_ms > START_WITHIN_MAX_MS)
        return diag_set(diag, STATUS_INVALID, "start_within_ms: outside 0..%d",
                        START_WITHIN_MAX_MS);

    CLEANUP(call_free_scoped) struct call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return STATUS_NOMEM;
    call->method = request->method;
    call->base = base;
    call->owner = request->owner;
    call->start_within_ms = request->start_within_ms;
    call->url = strdup(request->url);
    call->key = strdup(request->key);
    if (call->url == NULL || call->key == NULL)
        return STATUS_NOMEM;
    enum status status = copy_body(call, request->body);
    if (status == STATUS_OK)
        status = add_headers(call, request, diag);
    if (status == STATUS_OK)
        *ret = TAKE(call);
    return status;
}

void call_free(struct call *call)
{
    if (call == NULL)
        return;
    for (struct curl_slist *line = call->headers; line != NULL; line = line->next)
        crypto_wipe(line->data, strlen(line->data));
    curl_slist_free_all(call->headers);
    if (call->body.data != NULL)
        crypto_wipe((void *)call->body.data, call->body.len);
    free((void *)call->body.data);
    free(call->url);
    free(call->key);
    free(call);
}
