/* X-MAESN-SIGNATURE on the first line, where {current} and {previous} are right ones; traceparent
 * and Content-Type on the next two; then the body. */
#include <string.h>
#include <strings.h>

#include "bridge/providers/maesn/maesn.h"
#include "tests/fuzz/callback.h"
#include "tests/fuzz/fuzz.h"

static struct route *route, *bare; /* bare: without any secret */

void fuzz_start(void)
{
    char mac[65];
    route = callback_route(&maesn, "exact-nl");
    struct route_fields fields = {.path = route->path,
                                  .provider = &maesn,
                                  .account = route->account,
                                  .system = route->system,
                                  .state = ROUTE_ACTIVE};
    FUZZ_ASSERT(route_new(&fields, &bare) == STATUS_OK);
    callback_mac(CALLBACK_SECRET, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
    callback_mac(CALLBACK_PREVIOUS, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
}

/* Without a secret nothing is authentic. */
static void check_bare(const struct callback *cb)
{
    static const struct provider_options opt = {0};
    enum verification v;
    if (!fuzz_is_nomem(maesn.verify(bare, cb, &opt, &v)))
        FUZZ_ASSERT(!verification_is_authentic(v));
}

/* Authentic is what has the MAC of exactly these bytes, and nothing else. */
static bool check_verification(const struct callback *cb, const char *current, const char *previous)
{
    static const struct provider_options opt = {0};
    enum verification v;
    if (fuzz_is_nomem(maesn.verify(route, cb, &opt, &v)))
        return false;
    const char *signature = cb->signature == NULL ? "" : cb->signature;
    FUZZ_ASSERT((v == VERIFICATION_CURRENT) == (strcasecmp(signature, current) == 0));
    FUZZ_ASSERT((v == VERIFICATION_PREVIOUS) == (strcasecmp(signature, previous) == 0));
    FUZZ_ASSERT(v != VERIFICATION_TOKEN && v != VERIFICATION_STALE);
    return verification_is_authentic(v);
}

static void check_another_body(struct callback cb, const char *current, const char *previous)
{
    if (cb.body.len == 0)
        return;
    uint8_t *body = fuzz_alloc(cb.body.len);
    memcpy(body, cb.body.data, cb.body.len);
    body[fuzz_choose((uint32_t)cb.body.len)] ^= (uint8_t)(1 + fuzz_choose(255));
    cb.body.data = body;
    char mac[2][65];
    callback_mac(CALLBACK_SECRET, cb.body, BYTES_LITERAL(""), mac[0]);
    callback_mac(CALLBACK_PREVIOUS, cb.body, BYTES_LITERAL(""), mac[1]);
    FUZZ_ASSERT(strcmp(mac[0], current) != 0 && strcmp(mac[1], previous) != 0);
    FUZZ_ASSERT(!check_verification(&cb, mac[0], mac[1]));
}

void fuzz_one(struct bytes input)
{
    static const char *const names[] = {"current", "previous", NULL};
    static const char *const ours[] = {"account", "system", "provider", NULL};
    static const struct provider_options opt = {0};
    const char *signature = fuzz_text(fuzz_line(&input)),
               *traceparent = fuzz_text(fuzz_line(&input)),
               *content_type = fuzz_text(fuzz_line(&input));
    char current[65], previous[65];
    callback_mac(CALLBACK_SECRET, input, BYTES_LITERAL(""), current);
    callback_mac(CALLBACK_PREVIOUS, input, BYTES_LITERAL(""), previous);
    const char *const values[] = {current, previous, NULL};
    struct callback cb = {
        .body = input,
        .signature = signature[0] == '\0' ? NULL : fuzz_expand(signature, names, values),
        .content_type = content_type,
        .traceparent = traceparent,
        .received_at_unix_ms = 1795293215356,
    };
    check_bare(&cb);
    if (check_verification(&cb, current, previous))
        check_another_body(cb, current, previous);
    callback_check(route, &cb, &opt, ours, ours);
}
