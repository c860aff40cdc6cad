#include "bridge/registry/activity_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/registry/record_form.h"

static const char text[] = "{\"version\":1,\"first_at_unix_ms\":1795293215356,"
                           "\"last_at_unix_ms\":1795293275000,\"callbacks\":17}";

static void a_record_is_written_and_read_back(void **state)
{
    (void)state;
    const struct activity_record r = {1795293215356, 1795293275000, 17};
    struct activity_record read;
    struct buf json;
    buf_init(&json, 1024);
    assert_int_equal(activity_record_write(&r, &json), STATUS_OK);
    assert_string_equal(buf_text(&json), text);
    assert_int_equal(activity_record_read(buf_bytes(&json), &read, NULL), STATUS_OK);
    assert_int_equal(read.first_at_unix_ms, r.first_at_unix_ms);
    assert_int_equal(read.last_at_unix_ms, r.last_at_unix_ms);
    assert_int_equal(read.callbacks, 17);
    buf_done(&json);
}

static void what_is_no_such_record_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "[]",
        "{\"version\":2}",
        "{\"version\":1}",
        "{\"version\":1,\"first_at_unix_ms\":1,\"last_at_unix_ms\":\"1\",\"callbacks\":17}",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct activity_record read = {.callbacks = -1};
        assert_int_equal(activity_record_read(bytes_of_text(rows[i]), &read, NULL), STATUS_INVALID);
        assert_int_equal(read.callbacks, -1);
    }
}

int main(void)
{
    record_form_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_written_and_read_back),
        cmocka_unit_test(what_is_no_such_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
