#include "tests/support/callbacks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/file.h"
#include "bridge/base/scoped.h"
#include "tests/support/test_route.h"

struct bytes vector_bytes(struct callbacks *c, const char *name)
{
    struct diag diag = {0};
    CLEANUP(buf_done) struct buf content;
    buf_init(&content, 1 << 20);
    char path[512];
    snprintf(path, sizeof(path), "%s/tests/vectors/%s", TEST_ROOT, name);
    enum status status = file_read(path, &content, &diag);
    if (status != STATUS_OK)
        fail_msg("%s", diag.text);
    struct bytes bytes = buf_bytes(&content);
    if (bytes.len > 0 && bytes.data[bytes.len - 1] == '\n')
        bytes.len--;
    return bytes_of(arena_dup(c->arena, bytes), bytes.len);
}

const char *vector_text(struct callbacks *c, const char *name)
{
    return (const char *)vector_bytes(c, name).data;
}

const struct route *callbacks_route(struct callbacks *c, const struct provider *provider,
                                    const char *system, const char *current, const char *previous,
                                    const char *token)
{
    struct route_fields fields = {.provider = provider, .system = system, .state = ROUTE_ACTIVE};
    route_unref(c->route);
    c->route = test_route(fields, current, previous, token);
    assert_non_null(c->route);
    return c->route;
}

void callbacks_reset(struct callbacks *c, size_t arena_max)
{
    arena_free(c->arena);
    c->arena = arena_new(arena_max);
    assert_non_null(c->arena);
}

void callbacks_done(struct callbacks *c)
{
    arena_free(c->arena);
    route_unref(c->route);
}

const char *bytes_text(struct callbacks *c, struct bytes bytes)
{
    return arena_dup(c->arena, bytes);
}
