#include "bridge/ops/rejections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/scoped.h"

static int make(void **state)
{
    struct rejections *r;
    assert_int_equal(rejections_new(&r), STATUS_OK);
    *state = r;
    return 0;
}

static int discard(void **state)
{
    rejections_free(*state);
    return 0;
}

static void assert_prints(struct rejections *r, const char *expected)
{
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    rejections_print(r, &text);
    assert_int_equal(text.status, STATUS_OK);
    assert_string_equal(buf_text(&text), expected);
}

static void none_is_an_empty_list(void **state)
{
    assert_prints(*state, "{\"rejections\":[]}\n");
}

static void the_newest_comes_first(void **state)
{
    struct rejections *r = *state;
    rejections_add(r, &(struct rejection){.at_unix_ms = 1000,
                                          .path = "/in/x",
                                          .reason = "path-unknown",
                                          .status = 404,
                                          .body_len = 12});
    rejections_add(r, &(struct rejection){.at_unix_ms = 2500,
                                          .path = "/in/maesn/acme/by-hand",
                                          .provider = "maesn",
                                          .reason = "signature-bad",
                                          .status = 401});
    assert_prints(
        r, "{\"rejections\":[\n"
           "{\"at\":\"1970-01-01T00:00:02.500Z\",\"path\":\"/in/maesn/acme/by-hand\","
           "\"provider\":\"maesn\",\"reason\":\"signature-bad\",\"status\":401,\"body_len\":0},\n"
           "{\"at\":\"1970-01-01T00:00:01Z\",\"path\":\"/in/x\",\"provider\":null,"
           "\"reason\":\"path-unknown\",\"status\":404,\"body_len\":12}\n"
           "]}\n");
}

/* The texts that stand in "path" after one rejection with this path. */
static void paths_are_kept_short_and_without_tokens(void **state)
{
#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TOKEN "abcdefghijklmnopqrstuvwxyz234567"
    static const struct {
        const char *path, *kept;
    } rows[] = {
        {"", ""},
        {"/", "/"},
        /* a route's URL */
        {"/in/maesn/acme/all/all/1767225600000-" TOKEN, "/in/maesn/acme/all/all/1767225600000-***"},
        /* with something behind the token */
        {"/in/maesn/acme/all/all/17-" TOKEN "/", "/in/maesn/acme/all/all/17-***/"},
        {"/in/maesn/acme/all/all/17-" TOKEN "?x", "/in/maesn/acme/all/all/17-***"},
        /* in upper case */
        {"/in/17-ABCDEFGHIJKLMNOPQRSTUVWXYZ", "/in/17-***"},
        /* a cut one is still one */
        {"/in/17-abcdefghijklmnop", "/in/17-***"},
        /* too short for a token: a name by hand */
        {"/in/maesn/acme/2026-invoices", "/in/maesn/acme/2026-invoices"},
        /* no generation before it: a long name by hand */
        {"/in/maesn/" TOKEN, "/in/maesn/" TOKEN},
        /* what would break a line or a JSON text */
        {"/in/\"\n\xff", "/in/\\\"\\n\\ufffd"},
        /* 320 characters, of which 256 are kept */
        {"/" LONG_64 LONG_64 LONG_64 LONG_64 LONG_64,
         "/" LONG_64 LONG_64 LONG_64
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
        /* a token that stands across the cut */
        {"/" LONG_64 LONG_64 LONG_64
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/17-" TOKEN,
         "/" LONG_64 LONG_64 LONG_64
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/17-***"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rejections *r;
        assert_int_equal(rejections_new(&r), STATUS_OK);
        rejections_add(r, &(struct rejection){.path = rows[i].path, .reason = "x"});
        char expected[1024];
        snprintf(expected, sizeof(expected),
                 "{\"rejections\":[\n{\"at\":\"1970-01-01T00:00:00Z\",\"path\":\"%s\","
                 "\"provider\":null,\"reason\":\"x\",\"status\":0,\"body_len\":0}\n]}\n",
                 rows[i].kept);
        assert_prints(r, expected);
        rejections_free(r);
    }
}

static size_t occurrences(const char *text, const char *needle)
{
    size_t count = 0;
    for (; (text = strstr(text, needle)) != NULL; text++)
        count++;
    return count;
}

static void the_oldest_is_forgotten(void **state)
{
    struct rejections *r = *state;
    for (unsigned i = 0; i < REJECTIONS_MAX + 3; i++)
        rejections_add(r, &(struct rejection){.path = "/", .reason = "x", .status = i});
    CLEANUP(buf_done) struct buf text;
    buf_init(&text, 1 << 20);
    rejections_print(r, &text);
    assert_int_equal(occurrences(buf_text(&text), "\"status\":"), REJECTIONS_MAX);
    assert_non_null(strstr(buf_text(&text), "\"status\":3,"));
    assert_null(strstr(buf_text(&text), "\"status\":2,"));
    const char *newest = strstr(buf_text(&text), "\"status\":102,");
    assert_ptr_equal(newest, strstr(buf_text(&text), "\"status\":"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(none_is_an_empty_list),
        TEST(the_newest_comes_first),
        TEST(paths_are_kept_short_and_without_tokens),
        TEST(the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
