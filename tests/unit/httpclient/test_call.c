#include "bridge/httpclient/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct http_base bases[] = {
    {.url = "https://api.example"},
    {.url = "https://api.example/v2"},
    {.url = "http://127.0.0.1:1"},
};

static enum status make(const struct http_request *request, struct call **ret, struct diag *diag)
{
    return call_new(bases, sizeof(bases) / sizeof(bases[0]), request, ret, diag);
}

static void the_longest_base_that_covers_the_url_is_its_base(void **state)
{
    static const struct {
        const char *url;
        size_t base;
    } rows[] = {
        {"https://api.example/webhooks", 0},
        {"https://api.example/v2", 1},
        {"https://api.example/v2/webhooks", 1},
        {"https://api.example/v22", 0},
        {"http://127.0.0.1:1/x", 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call *call;
        const struct http_request request = {.url = rows[i].url, .key = "a"};
        assert_int_equal(make(&request, &call, NULL), STATUS_OK);
        assert_int_equal(call->base, rows[i].base);
        call_free(call);
    }
}

static void a_call_is_a_copy_of_its_request(void **state)
{
    char url[] = "https://api.example/x", key[] = "acme", name[] = "X-API-KEY", value[] = "k1";
    char body[] = "{}";
    const struct http_header header = {name, {(uint8_t *)value, 2}};
    const struct http_request request = {.method = HTTP_POST,
                                         .url = url,
                                         .headers = &header,
                                         .headers_len = 1,
                                         .body = {(uint8_t *)body, 2},
                                         .key = key,
                                         .owner = 7,
                                         .start_within_ms = 9};
    struct call *call;
    (void)state;
    assert_int_equal(make(&request, &call, NULL), STATUS_OK);
    url[20] = key[0] = name[0] = value[0] = body[0] = '?';
    assert_string_equal(call->url, "https://api.example/x");
    assert_string_equal(call->key, "acme");
    assert_true(bytes_equal(call->body, BYTES_LITERAL("{}")));
    assert_int_equal(call->owner, 7);
    assert_int_equal(call->start_within_ms, 9);
    const struct curl_slist *line = call->headers;
    assert_string_equal(line->data, "X-API-KEY: k1");
    assert_string_equal(line->next->data, "Expect:");
    assert_string_equal(line->next->next->data, "Content-Type:");
    assert_null(line->next->next->next);
    call_free(call);
}

static void a_request_that_may_not_be_sent_is_refused_with_the_reason(void **state)
{
    static char long_url[5000] = "https://api.example/";
    static char long_value[5000];
    static const struct {
        const char *url, *name;
        struct bytes value;
        int64_t start_within_ms;
        const char *text;
    } rows[] = {
        {"https://evil.example/x",
         "A",
         {(const uint8_t *)"b", 1},
         0,
         "the URL is not below a configured base_url"},
        {long_url, "A", {(const uint8_t *)"b", 1}, 0, "the URL or the body is too long to be sent"},
        {"https://api.example/x",
         "A",
         {(const uint8_t *)"b", 1},
         -1,
         "start_within_ms: outside 0..86400000"},
        {"https://api.example/x",
         "",
         {(const uint8_t *)"b", 1},
         0,
         "a header's name is not a token"},
        {"https://api.example/x",
         "A: c\r\nB",
         {(const uint8_t *)"b", 1},
         0,
         "a header's name is not a token"},
        {"https://api.example/x",
         "A",
         {(const uint8_t *)"", 0},
         0,
         "header A: its value cannot be sent"}, /* libcurl would leave the header out */
        {"https://api.example/x",
         "A",
         {(const uint8_t *)"s3\r\nB: c", 8},
         0,
         "header A: its value cannot be sent"}, /* and the value is not told */
        {"https://api.example/x",
         "A",
         {(const uint8_t *)"s3\0c", 4},
         0,
         "header A: its value cannot be sent"},
        {"https://api.example/x",
         "A",
         {(const uint8_t *)long_value, 5000},
         0,
         "header A: its value cannot be sent"},
    };
    (void)state;
    memset(long_url + 20, 'x', sizeof(long_url) - 21);
    memset(long_value, 'x', sizeof(long_value));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct diag diag = {{0}};
        struct call *call = NULL;
        const struct http_header header = {rows[i].name, rows[i].value};
        const struct http_request request = {.url = rows[i].url,
                                             .headers = &header,
                                             .headers_len = 1,
                                             .key = "a",
                                             .start_within_ms = rows[i].start_within_ms};
        assert_int_equal(make(&request, &call, &diag), STATUS_INVALID);
        assert_null(call);
        assert_string_equal(diag.text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_base_that_covers_the_url_is_its_base),
        cmocka_unit_test(a_call_is_a_copy_of_its_request),
        cmocka_unit_test(a_request_that_may_not_be_sent_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
