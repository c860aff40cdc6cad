/* Memory that is short makes no record at all: neither one that lacks something nor a dead letter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/dead_letter.h"
#include "bridge/domain/envelope.h"
#include "tests/support/alloc_fail.h"
#include "tests/support/callbacks.h"
#include "tests/support/openssl_alloc.h"

DEFINE_CLEANUP(struct arena *, arena_free)

#define TOKEN "abcdefghijklmnopqrstuvwxy2"
#define INBOUND "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static const struct provider provider = {.name = "maesn", .type_prefix = "com.maesn"};

static const struct envelope_options restarting = {
    .topic_template = "maesn.{resource}",
    .key_template = "{resource}:{account}",
    .other_topic = "maesn.other",
    .token_topic = "maesn.token",
    .dead_letter_topic = "maesn.dead-letter",
    .format = ENVELOPE_STRUCTURED,
};

/* One event whose every text has to be made fit, and one that was not understood. */
static struct event items[] = {
    {.value = BYTES_LITERAL("{}"),
     .resource = "INVOICE\x7f",
     .event_type = "CREATED\x7f",
     .resource_id = "4\x7f",
     .occurred_at_unix_ms = 1767323045000},
    {.value = BYTES_LITERAL("7"),
     .index = 1,
     .is_element = true,
     .reason = DEAD_LETTER_NOT_AN_OBJECT,
     .detail = "a number"},
};
static const struct event_list events = {.items = items, .len = 2};

static struct callbacks callbacks;
static struct route route;
static struct callback callback = {
    .body = BYTES_LITERAL("[{},7]"),
    .traceparent = INBOUND,
    .tracestate = "rojo=1",
    .content_type = "text/plain",
    .received_at_unix_ms = 1767323046001,
};
static struct record *refused;

static enum status seal(struct arena *a)
{
    struct record *records;
    return envelope_seal(&restarting, &route, &callback, &events, a, &records);
}

static enum status seal_in_the_trace_that_came(struct arena *a)
{
    struct envelope_options continuing = restarting;
    continuing.trace = ENVELOPE_TRACE_CONTINUE;
    struct record *records;
    return envelope_seal(&continuing, &route, &callback, &events, a, &records);
}

static enum status seal_by_the_delivery_id(struct arena *a)
{
    struct callback named = callback;
    named.delivery_id = "d-1";
    struct record *records;
    return envelope_seal(&restarting, &route, &named, &events, a, &records);
}

static enum status seal_again(struct arena *a)
{
    static const struct dead_letter letter = {.id = "d-1", .traceparent = INBOUND};
    struct record *records;
    return envelope_seal_again(&restarting, &route, &callback, &letter, &events, a, &records);
}

static enum status make_a_dead_letter(struct arena *a)
{
    struct record dead;
    return envelope_dead_letter(&restarting, &refused[0], "too\nlarge", a, &dead);
}

static enum status list_the_topics(struct arena *a)
{
    struct topic_list topics;
    return envelope_topics(&restarting, "maesn", "xero", "acme-42", a, &topics);
}

static enum status (*const jobs[])(struct arena *a) = {
    seal,       seal_in_the_trace_that_came, seal_by_the_delivery_id,
    seal_again, make_a_dead_letter,          list_the_topics,
};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void an_arena_of_any_size_is_enough_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < JOBS; i++) {
        enum status status = STATUS_NOMEM;
        for (size_t max = 0; status != STATUS_OK && max < 65536; max++) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(max);
            assert_non_null(a);
            status = jobs[i](a);
            assert_true(status == STATUS_OK || status == STATUS_NOMEM);
        }
        assert_int_equal(status, STATUS_OK);
    }
}

/* Those of OpenSSL among them. */
static void a_failed_allocation_is_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < JOBS; i++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            CLEANUP(arena_free_scoped) struct arena *a = arena_new(1 << 20);
            assert_non_null(a);
            alloc_fail_at(n);
            enum status status = jobs[i](a);
            failed = alloc_fail_end();
            assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        }
    }
}

static int start(void **state)
{
    (void)state;
    if (!openssl_alloc_start() || crypto_start() != STATUS_OK)
        return -1;
    callbacks_reset(&callbacks, 1 << 20);
    route = *callbacks_route(&callbacks, &provider, "xero", NULL, NULL, NULL);
    route.path = "/in/maesn/acme-42/invoice/all/1767323045000-" TOKEN;
    return envelope_seal(&restarting, &route, &callback, &events, callbacks.arena, &refused) ==
                   STATUS_OK
               ? 0
               : -1;
}

static int stop(void **state)
{
    (void)state;
    callbacks_done(&callbacks);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_of_any_size_is_enough_or_not),
        cmocka_unit_test(a_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
