#include "bridge/registry/record_form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "tests/support/alloc_fail.h"

DEFINE_CLEANUP(json_t *, json_decref)

static enum status parse(struct bytes text)
{
    CLEANUP(json_decref_scoped) json_t *json = NULL;
    return record_form_parse_any("text", text, &json, NULL);
}

/* Of each kind of value, so many that what jansson takes for a byte no longer grows. */
static void the_texts_that_take_the_most_memory_are_read(void **state)
{
    static const struct {
        const char *begin, *repeated, *end;
        size_t times;
    } rows[] = {
        {"", "[", "", 2047},                            /* arrays, as deep as jansson goes */
        {"", "[", "", 65536},                           /* and deeper */
        {"", "[[[[[[[[[[", "]]]]]]]]]]", 100},          /* closed */
        {"[[]", ",[]", "]", 20000},                     /* beside each other */
        {"[{}", ",{}", "]", 20000},                     /* objects */
        {"[", "[{},", "", 2000},                        /* both */
        {"", "{\"\":", "", 2047},                       /* objects in objects */
        {"", "{\"\":[", "", 1023},                      /* and arrays in them */
        {"[0", ",0", "]", 30000},                       /* integers */
        {"[0.1", ",0.1", "]", 20000},                   /* reals */
        {"[\"\"", ",\"\"", "]", 20000},                 /* texts */
        {"[\"\"", ",\"seventeen letters\"", "]", 3000}, /* just beyond a power of two */
        {"\"", "x", "\"", 65536},                       /* one text */
        {"\"", "x", "", 65536},                         /* that never ends */
        {"", "1", "", 65536},                           /* a number */
        {"[", "\xff", "]", 1},                          /* no text */
        {"", "", "", 0},                                /* nothing */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP(buf_done) struct buf text;
        buf_init(&text, 1 << 20);
        buf_append_text(&text, rows[i].begin);
        for (size_t n = 0; n < rows[i].times; n++)
            buf_append_text(&text, rows[i].repeated);
        buf_append_text(&text, rows[i].end);
        enum status status = parse(buf_bytes(&text));
        assert_true(status == STATUS_OK || status == STATUS_INVALID);
    }
}

/* Keys that differ: an object's table grows. */
static void an_object_of_many_members_is_read(void **state)
{
    (void)state;
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "%c\"%x\":{}", i == 0 ? '{' : ',', i);
    buf_append_text(&text, "}");
    assert_int_equal(parse(buf_bytes(&text)), STATUS_OK);
}

static void what_is_torn_is_refused_however_short_memory_is(void **state)
{
    static const char *const rows[] = {
        "{\"secret\":\"a text that is longer than the lexer's first buffer\"}",
        "{\"secret\":\"a text that is longer than the lexer's first buffer",
        "{\"secr:\"te\"s\",\"token\":\"t\"\xe2\"requested_at_unix_ms\":6}}",
        "{\"key\":\"0123456789abcde\xc3\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            alloc_fail_at(n);
            enum status status = parse(bytes_of_text(rows[i]));
            failed = alloc_fail_end();
            assert_int_equal(status, failed ? STATUS_NOMEM : i == 0 ? STATUS_OK : STATUS_INVALID);
        }
    }
}

/* A value may be changed and outlive another one. */
static void values_are_freed_in_any_order(void **state)
{
    (void)state;
    json_t *values[3] = {NULL};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(record_form_parse_any("text", BYTES_LITERAL("{\"a\":[1,{}],\"b\":\"x\"}"),
                                               &values[i], NULL),
                         STATUS_OK);
    assert_int_equal(json_object_set_new(values[1], "c", json_string("y")), 0);
    assert_int_equal(json_object_del(values[1], "a"), 0);
    json_decref(values[1]);
    json_decref(values[0]);
    char *text = json_dumps(values[2], JSON_COMPACT);
    assert_string_equal(text, "{\"a\":[1,{}],\"b\":\"x\"}");
    free(text);
    json_decref(values[2]);
}

static int start(void **state)
{
    (void)state;
    record_form_start();
    return crypto_start() != STATUS_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_texts_that_take_the_most_memory_are_read),
        cmocka_unit_test(an_object_of_many_members_is_read),
        cmocka_unit_test(what_is_torn_is_refused_however_short_memory_is),
        cmocka_unit_test(values_are_freed_in_any_order),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
