/* Every allocation of httpclient fails once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"
#include "bridge/httpclient/call_queue.h"
#include "tests/support/alloc_fail.h"

static const struct http_base bases[] = {
    {.url = "http://127.0.0.1:1", .requests_max = 2, .window_ms = 10}};
static const struct http_client_options options = {.bases = bases,
                                                   .bases_len = 1,
                                                   .concurrency = 2,
                                                   .calls_max = 10,
                                                   .connect_timeout_ms = 100,
                                                   .timeout_ms = 100,
                                                   .response_max_bytes = 100,
                                                   .user_agent = "test"};
static const struct http_header header = {"X-API-KEY", {(const uint8_t *)"k", 1}};
static const struct http_request request = {.method = HTTP_POST,
                                            .url = "http://127.0.0.1:1/x",
                                            .headers = &header,
                                            .headers_len = 1,
                                            .body = {(const uint8_t *)"{}", 2},
                                            .key = "a"};

static void a_client_is_whole_or_not_there(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct http_client *c = NULL;
        alloc_fail_at(n);
        enum status status = http_client_new(&options, &c, NULL);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(c == NULL, failed);
        http_client_free(c);
    }
}

static void a_call_waits_whole_or_not_at_all(void **state)
{
    (void)state;
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct call_queue *q;
        struct call *call = NULL;
        assert_int_equal(call_queue_new(bases, 1, 1, &q), STATUS_OK);
        alloc_fail_at(n);
        enum status status = call_new(bases, 1, &request, &call, NULL);
        bool is_made = status == STATUS_OK;
        if (is_made)
            status = call_queue_add(q, call, 0);
        failed = alloc_fail_end();
        assert_int_equal(status, failed ? STATUS_NOMEM : STATUS_OK);
        assert_int_equal(call == NULL, !is_made);
        if (!failed)
            call_queue_remove(q, call, 0);
        assert_int_equal(call_queue_next_at(q, 0), INT64_MAX);
        call_free(call);
        call_queue_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_is_whole_or_not_there),
        cmocka_unit_test(a_call_waits_whole_or_not_at_all),
    };
    return http_client_prepare() != STATUS_OK || cmocka_run_group_tests(tests, NULL, NULL);
}
