#include "bridge/domain/record.h"

#include <assert.h>

void record_add_header(struct record *r, const char *name, struct bytes value)
{
    assert(r->headers_len < RECORD_HEADERS_MAX);
    r->headers[r->headers_len++] = (struct record_header){name, value};
}

struct bytes record_header(const struct record *r, const char *name)
{
    for (size_t i = 0; i < r->headers_len; i++)
        if (strcmp(r->headers[i].name, name) == 0)
            return r->headers[i].value;
    return bytes_of(NULL, 0);
}
