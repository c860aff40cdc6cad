#include "bridge/ops/health.h"

#include <assert.h>
#include <stdlib.h>

struct check {
    const char *name;
    enum health_kind kind;
    bool (*fn)(void *ctx, struct diag *diag);
    void *ctx;
};

struct health {
    struct check checks[HEALTH_CHECKS_MAX];
    size_t checks_len;
};

enum status health_new(struct health **ret)
{
    struct health *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return STATUS_NOMEM;
    *ret = h;
    return STATUS_OK;
}

void health_free(struct health *h)
{
    free(h);
}

void health_add(struct health *h, const char *name, enum health_kind kind,
                bool (*fn)(void *ctx, struct diag *diag), void *ctx)
{
    assert(h->checks_len < HEALTH_CHECKS_MAX);
    h->checks[h->checks_len++] = (struct check){name, kind, fn, ctx};
}

static struct health_result check_make(const struct check *check)
{
    struct health_result r = {.name = check->name, .kind = check->kind};
    r.passed = check->fn(check->ctx, &r.why);
    return r;
}

size_t health_check_all(struct health *h, struct health_result ret[HEALTH_CHECKS_MAX])
{
    for (size_t i = 0; i < h->checks_len; i++)
        ret[i] = check_make(&h->checks[i]);
    return h->checks_len;
}

/* Makes the check and appends its line. */
static bool check_ask(const struct check *check, struct buf *ret)
{
    const struct health_result r = check_make(check);
    if (r.passed)
        buf_printf(ret, "[+]%s ok\n", r.name);
    else if (r.why.text[0] == '\0')
        buf_printf(ret, "[-]%s failed\n", r.name);
    else
        buf_printf(ret, "[-]%s failed: %s\n", r.name, r.why.text);
    return r.passed;
}

static const char *endpoint_name(enum health_kind kind)
{
    switch (kind) {
    case HEALTH_REPORTED:
        return "health";
    case HEALTH_READY:
        return "readyz";
    case HEALTH_LIVE:
        return "livez";
    }
    return "unknown";
}

bool health_ask(struct health *h, enum health_kind kind, bool verbose, struct buf *ret)
{
    bool passed = true;
    size_t start = ret->len;
    for (size_t i = 0; i < h->checks_len; i++) {
        bool counts = h->checks[i].kind >= kind;
        if ((counts || verbose) && !check_ask(&h->checks[i], ret) && counts)
            passed = false;
    }
    if (passed && !verbose) {
        ret->len = start;
        buf_append_text(ret, "ok\n");
    } else {
        buf_printf(ret, "%s check %s\n", endpoint_name(kind), passed ? "passed" : "failed");
    }
    return passed;
}
