/* The pieces of requests to a provider's API: URLs in which every part is escaped, headers that
 * end where they should. */
#pragma once

#include "bridge/base/buf.h"
#include "bridge/domain/provider_api.h"

/* The longest URL, body, id and parameter, in bytes. */
#define API_REQUEST_URL_MAX 16384
#define API_REQUEST_BODY_MAX (256U << 10)
#define API_REQUEST_PART_MAX 1024

/* A URL under way. The first failure stays; later calls then do nothing. */
struct api_url {
    struct buf text;
    bool has_query;
    enum status status;
    struct diag *diag;
};

void api_url_begin(struct api_url *u, const char *base_url, struct diag *diag);
void api_url_done(struct api_url *u);

/* Appends "/" and the text, which `what` names in a diag. Refuses what is no segment of its own:
 * an empty text, "." and "..". */
void api_url_segment(struct api_url *u, const char *what, const char *text);

/* Appends "?name=value" or "&name=value"; nothing where value is NULL. */
void api_url_query(struct api_url *u, const char *name, const char *value);

/* Errors: STATUS_INVALID, STATUS_NOMEM, also of an earlier call. */
enum status api_url_end(struct api_url *u, struct arena *a, const char **ret) MUST_CHECK;

/* Adds a header, its value made of the text and the secret (NULL: none).
 * Errors: STATUS_INVALID the secret holds a control character; diag says in what, not which.
 */
enum status api_request_header(struct provider_request *r, const char *name, const char *text,
                               const struct secret *secret, struct diag *diag) MUST_CHECK;

/* Sets a JSON body and its header. Errors: STATUS_INVALID it is too long. STATUS_NOMEM, also of the
 * buffer. */
enum status api_request_body(struct provider_request *r, const struct buf *json, struct arena *a,
                             struct diag *diag) MUST_CHECK;
