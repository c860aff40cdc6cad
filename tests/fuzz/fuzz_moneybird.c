/* Moneybird-Signature on the first line, where {current} and {previous} are MACs of the timestamp
 * that it gives and the body; Idempotency-Key and tracestate on the next two; then the body. */
#include <string.h>
#include <strings.h>

#include "bridge/providers/moneybird/moneybird.h"
#include "tests/fuzz/callback.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/test_route.h"

static const int64_t now_unix_ms = 1795293215356;
static struct route *route, *token_route;

void fuzz_start(void)
{
    char mac[65];
    route = callback_route(&moneybird, "moneybird");
    callback_mac(CALLBACK_SECRET, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
    callback_mac(CALLBACK_PREVIOUS, BYTES_LITERAL(""), BYTES_LITERAL(""), mac);
    struct route_fields fields = {
        .provider = &moneybird, .system = "moneybird", .state = ROUTE_ACTIVE};
    token_route = test_route(fields, NULL, NULL, CALLBACK_TOKEN);
    FUZZ_ASSERT(token_route != NULL);
}

/* The digits behind a "t=", and a point. */
static struct bytes signed_prefix(const char *at)
{
    size_t digits = strspn(at + 2, "0123456789");
    char *prefix = fuzz_alloc(digits + 2);
    memcpy(prefix, at + 2, digits);
    prefix[digits] = '.';
    return bytes_of(prefix, digits + 1);
}

static bool holds(const char *text, const char *mac)
{
    return strcasestr(text, mac) != NULL;
}

/* Whether a right MAC, for a timestamp that it gives, stands in the header at all. */
static bool may_be_authentic(const char *signature, struct bytes body)
{
    size_t looks = 0;
    for (const char *at = signature; (at = strstr(at, "t=")) != NULL && looks < 64; at++, looks++) {
        struct bytes prefix = signed_prefix(at);
        char current[65], previous[65];
        callback_mac(CALLBACK_SECRET, prefix, body, current);
        callback_mac(CALLBACK_PREVIOUS, prefix, body, previous);
        if (holds(signature, current) || holds(signature, previous))
            return true;
    }
    return looks == 64;
}

static char *sign(const char *text, struct bytes body)
{
    static const char *const names[] = {"current", "previous", NULL};
    char current[65], previous[65];
    const char *at = strstr(text, "t=");
    struct bytes prefix = signed_prefix(at == NULL ? "t=" : at);
    callback_mac(CALLBACK_SECRET, prefix, body, current);
    callback_mac(CALLBACK_PREVIOUS, prefix, body, previous);
    const char *const values[] = {current, previous, NULL};
    return fuzz_expand(text, names, values);
}

static void check_verification(const struct callback *cb, const struct provider_options *opt)
{
    enum verification v;
    if (!fuzz_is_nomem(moneybird.verify(route, cb, opt, &v))) {
        bool is_right = verification_is_authentic(v) || v == VERIFICATION_STALE;
        FUZZ_ASSERT(v != VERIFICATION_TOKEN);
        FUZZ_ASSERT(!is_right || may_be_authentic(cb->signature, cb->body));
    }
    /* Without secrets the token counts, which has to stand there. */
    if (!fuzz_is_nomem(moneybird.verify(token_route, cb, opt, &v)) && verification_is_authentic(v))
        FUZZ_ASSERT(v == VERIFICATION_TOKEN &&
                    (memmem(cb->body.data, cb->body.len, CALLBACK_TOKEN,
                            sizeof(CALLBACK_TOKEN) - 1) != NULL ||
                     memmem(cb->body.data, cb->body.len, "\\u", 2) != NULL));
}

/* One second later, or earlier, is no longer what was signed. */
static void check_another_time(struct callback cb, const struct provider_options *opt)
{
    enum verification v;
    char *signature = fuzz_text(bytes_of_text(cb.signature)), *at = strstr(signature, "t=");
    if (at == NULL || at[2] < '0' || at[2] > '9')
        return;
    at[2] = at[2] == '9' ? '0' : (char)(at[2] + 1);
    cb.signature = signature;
    if (!may_be_authentic(signature, cb.body) &&
        !fuzz_is_nomem(moneybird.verify(route, &cb, opt, &v)))
        FUZZ_ASSERT(!verification_is_authentic(v) && v != VERIFICATION_STALE);
}

void fuzz_one(struct bytes input)
{
    static const char *const dropped[] = {"account",       "system",   "provider",
                                          "eventType",     "resource", "resourceId",
                                          "webhook_token", "entity",   NULL};
    static const char *const renamed[] = {"account",  "system",     "provider", "eventType",
                                          "resource", "resourceId", NULL};
    const char *signature = fuzz_text(fuzz_line(&input)),
               *delivery_id = fuzz_text(fuzz_line(&input)),
               *tracestate = fuzz_text(fuzz_line(&input));
    struct provider_options opt = {.signature_tolerance_ms = fuzz_choose(2) * 300000,
                                   .pass_entity = fuzz_choose(2) == 1};
    struct callback cb = {
        .body = input,
        .signature = signature[0] == '\0' ? NULL : sign(signature, input),
        .delivery_id = delivery_id[0] == '\0' ? NULL : delivery_id,
        .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        .tracestate = tracestate,
        .received_at_unix_ms = now_unix_ms,
    };
    check_verification(&cb, &opt);
    if (cb.signature != NULL)
        check_another_time(cb, &opt);
    callback_check(route, &cb, &opt, dropped, renamed);
}
