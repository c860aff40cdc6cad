#include "bridge/registry/request_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/registry/record_form.h"

static const char whole[] =
    "{\"version\":1,\"account\":\"acme-42\",\"kind\":\"rotate\","
    "\"resource\":\"journal-entry\",\"requested_at_unix_ms\":1795293215356}";

static void a_request_reads_as_it_was_written(void **state)
{
    (void)state;
    const struct request_record r = {.account = "acme-42",
                                     .kind = REQUEST_ROTATE,
                                     .resource = "journal-entry",
                                     .requested_at_unix_ms = 1795293215356};
    struct request_record *read = NULL;
    struct buf json;
    buf_init(&json, 1024);
    assert_int_equal(request_record_write(&r, &json), STATUS_OK);
    assert_string_equal(buf_text(&json), whole);
    assert_int_equal(request_record_read(buf_bytes(&json), &read, NULL), STATUS_OK);
    assert_string_equal(read->account, "acme-42");
    assert_int_equal(read->kind, REQUEST_ROTATE);
    assert_string_equal(read->resource, "journal-entry");
    assert_int_equal(read->requested_at_unix_ms, 1795293215356);
    request_record_free(read);
    buf_done(&json);
}

static void a_request_to_adopt_holds_all_of_the_subscription(void **state)
{
    (void)state;
    const struct request_record r = {.account = "acme-42",
                                     .kind = REQUEST_ADOPT,
                                     .provider_id = "7c1f",
                                     .callback_url = "https://hooks.example.com/in/x",
                                     .secret = "s",
                                     .token = "t",
                                     .requested_at_unix_ms = 1795293215356,
                                     .former_rotate_unix_ms = 1795293215355,
                                     .former_resource = "invoice",
                                     .former_force_unix_ms = 1795293215354};
    struct request_record *read = NULL, *copied = request_record_copy(&r);
    struct buf json;
    buf_init(&json, 1024);
    assert_non_null(copied);
    assert_int_equal(request_record_write(copied, &json), STATUS_OK);
    assert_int_equal(request_record_read(buf_bytes(&json), &read, NULL), STATUS_OK);
    assert_int_equal(read->kind, REQUEST_ADOPT);
    assert_string_equal(read->provider_id, r.provider_id);
    assert_string_equal(read->callback_url, r.callback_url);
    assert_string_equal(read->secret, r.secret);
    assert_string_equal(read->token, r.token);
    assert_int_equal(read->former_rotate_unix_ms, r.former_rotate_unix_ms);
    assert_string_equal(read->former_resource, r.former_resource);
    assert_int_equal(read->former_force_unix_ms, r.former_force_unix_ms);
    request_record_free(read);
    request_record_free(copied);
    buf_done(&json);
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        /* another version */
        "{\"version\":2,\"account\":\"a\",\"kind\":\"pass\",\"requested_at_unix_ms\":1}",
        /* no instant */
        "{\"version\":1,\"account\":\"a\",\"kind\":\"pass\"}",
        /* nor is 1970 an instant: it would be written as none */
        "{\"version\":1,\"account\":\"a\",\"kind\":\"pass\",\"requested_at_unix_ms\":0}",
        /* no such kind */
        "{\"version\":1,\"account\":\"a\",\"kind\":\"dance\",\"requested_at_unix_ms\":1}",
        /* nothing to adopt */
        "{\"version\":1,\"account\":\"a\",\"kind\":\"adopt\",\"requested_at_unix_ms\":1}",
        /* no account's id */
        "{\"version\":1,\"account\":\"A/B\",\"kind\":\"pass\",\"requested_at_unix_ms\":1}",
        "",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request_record *read = NULL;
        struct diag diag = {0};
        assert_int_equal(request_record_read(bytes_of_text(rows[i]), &read, &diag), STATUS_INVALID);
        assert_null(read);
        assert_true(diag.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_reads_as_it_was_written),
        cmocka_unit_test(a_request_to_adopt_holds_all_of_the_subscription),
        cmocka_unit_test(what_is_no_request_is_refused),
    };
    record_form_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
