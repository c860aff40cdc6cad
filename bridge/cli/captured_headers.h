/* The headers of a captured request, as a file holds them: raw lines, or what `curl -v` prints. */
#pragma once

#include "bridge/base/arena.h"
#include "bridge/base/status.h"

struct captured_header {
    const char *name;
    const char *value; /* without white space around it */
};

struct captured_headers {
    struct captured_header *items;
    size_t len;
};

/* A request line, `curl -v`'s "> " and its other lines, and empty lines are passed over.
 * Owns:   the list lives in the arena. Errors: STATUS_NOMEM.
 */
enum status captured_headers_parse(struct bytes text, struct arena *a, struct captured_headers *ret)
    MUST_CHECK;

/* The value of the first header of this name, in any case, or NULL. */
const char *captured_headers_find(const struct captured_headers *h, const char *name);

/* How often there is a header of this name. */
size_t captured_headers_count(const struct captured_headers *h, const char *name);
