#include "bridge/base/json_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static void any_bytes_become_one_json_string(void **state)
{
    static const struct {
        struct bytes text;
        const char *json;
    } rows[] = {
        {BYTES_LITERAL(""), "\"\""},
        {BYTES_LITERAL("plain / text"), "\"plain / text\""},
        {BYTES_LITERAL("a\"b\\c"), "\"a\\\"b\\\\c\""},
        {BYTES_LITERAL("\n\r\t"), "\"\\n\\r\\t\""},
        {BYTES_LITERAL("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\\u007f\""},
        /* whole UTF-8 of two, three and four bytes */
        {BYTES_LITERAL("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {BYTES_LITERAL("\xff"), "\"\\ufffd\""}, /* no UTF-8 at all */
        {BYTES_LITERAL("\xc3"), "\"\\ufffd\""}, /* cut */
        {BYTES_LITERAL("\xe2\x82"), "\"\\ufffd\\ufffd\""},
        {BYTES_LITERAL("\xc0\xaf"), "\"\\ufffd\\ufffd\""},                       /* over-long "/" */
        {BYTES_LITERAL("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""},            /* a surrogate */
        {BYTES_LITERAL("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* too high */
        {BYTES_LITERAL("\xc3\""), "\"\\ufffd\\\"\""}, /* a cut one does not eat the quote */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf b;
        buf_init(&b, 100);
        json_text_string(&b, rows[i].text);
        assert_string_equal(buf_text(&b), rows[i].json);
    }
}

static void members_follow_each_other_and_what_is_not_there_is_left_out(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf b;
    buf_init(&b, 200);
    buf_append_text(&b, "{\"a\":1");
    json_text_member(&b, "none", NULL);
    json_text_member(&b, "text", "a\"b");
    json_text_member(&b, "empty", "");
    json_text_instant(&b, "never", 0);
    json_text_instant(&b, "at", 1);
    buf_append_text(&b, "}");
    assert_string_equal(
        buf_text(&b),
        "{\"a\":1,\"text\":\"a\\\"b\",\"empty\":\"\",\"at\":\"1970-01-01T00:00:00.001Z\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_become_one_json_string),
        cmocka_unit_test(members_follow_each_other_and_what_is_not_there_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
