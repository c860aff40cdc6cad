#include "bridge/ingress/answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The whole of each message, as a client sees it without libmicrohttpd's Date. */
static const struct {
    enum answer answer;
    const char *status_line;
    unsigned retry_after_s;
    const char *body;
} rows[] = {
    {ANSWER_ACCEPTED, "HTTP/1.1 200 OK", 0, ""},
    {ANSWER_PROBED, "HTTP/1.1 200 OK", 0, ""},
    /* the sender's fault: it need not come again */
    {ANSWER_MALFORMED, "HTTP/1.1 400 Bad Request", 0, "bad request\n"},
    {ANSWER_FRAMING, "HTTP/1.1 400 Bad Request", 0, "bad request\n"},
    {ANSWER_SIGNATURE_BAD, "HTTP/1.1 401 Unauthorized", 0, "unauthorized\n"},
    {ANSWER_SIGNATURE_MISSING, "HTTP/1.1 401 Unauthorized", 0, "unauthorized\n"},
    {ANSWER_SIGNATURE_STALE, "HTTP/1.1 401 Unauthorized", 0, "unauthorized\n"},
    {ANSWER_PATH_UNKNOWN, "HTTP/1.1 404 Not Found", 0, "not found\n"},
    {ANSWER_METHOD, "HTTP/1.1 405 Method Not Allowed", 0, "method not allowed\n"},
    {ANSWER_TOO_SLOW, "HTTP/1.1 408 Request Timeout", 0, "request timeout\n"},
    {ANSWER_BODY_TOO_LARGE, "HTTP/1.1 413 Content Too Large", 0, "body too large\n"},
    {ANSWER_EXPECTATION, "HTTP/1.1 417 Expectation Failed", 0, "expectation failed\n"},
    {ANSWER_HEADER_TOO_LARGE, "HTTP/1.1 431 Request Header Fields Too Large", 0,
     "header too large\n"},
    /* too often: it is to come again, but not at once */
    {ANSWER_CALLBACKS_LIMITED, "HTTP/1.1 429 Too Many Requests", 1, "too many requests\n"},
    {ANSWER_PATHS_LIMITED, "HTTP/1.1 429 Too Many Requests", 5, "too many requests\n"},
    {ANSWER_SIGNATURES_LIMITED, "HTTP/1.1 429 Too Many Requests", 5, "too many requests\n"},
    /* passes by itself */
    {ANSWER_PATH_NOT_YET, "HTTP/1.1 503 Service Unavailable", 1, "try again\n"},
    {ANSWER_ROUTE_PENDING, "HTTP/1.1 503 Service Unavailable", 1, "try again\n"},
    {ANSWER_OVERLOADED, "HTTP/1.1 503 Service Unavailable", 1, "try again\n"},
    {ANSWER_SHORT_OF_MEMORY, "HTTP/1.1 503 Service Unavailable", 1, "try again\n"},
    {ANSWER_SINK_BUSY, "HTTP/1.1 503 Service Unavailable", 1, "try again\n"},
    {ANSWER_NONE, "HTTP/1.1 503 Service Unavailable", 1, ""},
    /* takes Kafka, or a person, to mend */
    {ANSWER_INTERNAL, "HTTP/1.1 503 Service Unavailable", 5, "try again\n"},
    {ANSWER_SINK_UNAVAILABLE, "HTTP/1.1 503 Service Unavailable", 5, "try again\n"},
    {ANSWER_SINK_REFUSED, "HTTP/1.1 503 Service Unavailable", 5, "try again\n"},
    {ANSWER_NOT_DURABLE, "HTTP/1.1 503 Service Unavailable", 5, "try again\n"},
    {ANSWER_DEADLINE, "HTTP/1.1 503 Service Unavailable", 5, "try again\n"},
};

static void each_answer_is_what_the_table_says(void **state)
{
    (void)state;
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), ANSWERS);
    bool seen[ANSWERS] = {false};
    for (size_t i = 0; i < ANSWERS; i++) {
        char expected[512], printed[512], retry_after[64] = "";
        if (rows[i].retry_after_s > 0)
            snprintf(retry_after, sizeof(retry_after), "Retry-After: %u\r\n",
                     rows[i].retry_after_s);
        snprintf(expected, sizeof(expected),
                 "%s\r\nConnection: close\r\n%s%sContent-Type: text/plain\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 rows[i].status_line, retry_after,
                 rows[i].answer == ANSWER_METHOD ? "Allow: POST\r\n" : "", strlen(rows[i].body),
                 rows[i].body);
        size_t len = answer_print(rows[i].answer, printed, sizeof(printed));
        assert_int_equal(len, strlen(expected));
        assert_string_equal(printed, expected);
        assert_false(seen[rows[i].answer]);
        seen[rows[i].answer] = true;
    }
}

static void every_answer_but_200_is_kept_with_its_reason(void **state)
{
    (void)state;
    for (enum answer answer = ANSWER_NONE; answer < ANSWERS; answer++) {
        const struct answer_row *row = answer_row(answer);
        assert_int_equal(row->code == 200, row->log == ANSWER_LOG_NOTHING);
        assert_true(strlen(row->reason) > 0);
    }
}

static void only_an_authentic_callback_goes_on(void **state)
{
    (void)state;
    assert_int_equal(answer_of_verification(VERIFICATION_BAD), ANSWER_SIGNATURE_BAD);
    assert_int_equal(answer_of_verification(VERIFICATION_MISSING), ANSWER_SIGNATURE_MISSING);
    assert_int_equal(answer_of_verification(VERIFICATION_STALE), ANSWER_SIGNATURE_STALE);
    assert_int_equal(answer_of_verification(VERIFICATION_CURRENT), ANSWER_NONE);
    assert_int_equal(answer_of_verification(VERIFICATION_PREVIOUS), ANSWER_NONE);
    assert_int_equal(answer_of_verification(VERIFICATION_TOKEN), ANSWER_NONE);
}

/* A status to a code, row by row: of an operation of ours, and of the sink's report. */
static void our_own_trouble_is_503_and_only_a_good_report_is_200(void **state)
{
    (void)state;
    const struct {
        enum status status;
        enum answer of_status, of_report;
    } table[] = {
        {STATUS_OK, ANSWER_NONE, ANSWER_ACCEPTED},
        {STATUS_NOMEM, ANSWER_SHORT_OF_MEMORY, ANSWER_NOT_DURABLE},
        {STATUS_INVALID, ANSWER_INTERNAL, ANSWER_NOT_DURABLE},
        {STATUS_UNAUTHENTIC, ANSWER_INTERNAL, ANSWER_NOT_DURABLE},
        {STATUS_BUSY, ANSWER_SINK_BUSY, ANSWER_NOT_DURABLE},
        {STATUS_UNAVAILABLE, ANSWER_SINK_UNAVAILABLE, ANSWER_NOT_DURABLE},
        {STATUS_REFUSED, ANSWER_SINK_REFUSED, ANSWER_SINK_REFUSED},
        {STATUS_INTERNAL, ANSWER_INTERNAL, ANSWER_NOT_DURABLE},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(answer_of_status(table[i].status), table[i].of_status);
        assert_int_equal(answer_of_report(table[i].status), table[i].of_report);
    }
}

static void an_answer_that_does_not_fit_is_not_printed(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(answer_print(ANSWER_DEADLINE, text, sizeof(text)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_is_what_the_table_says),
        cmocka_unit_test(every_answer_but_200_is_kept_with_its_reason),
        cmocka_unit_test(only_an_authentic_callback_goes_on),
        cmocka_unit_test(our_own_trouble_is_503_and_only_a_good_report_is_200),
        cmocka_unit_test(an_answer_that_does_not_fit_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
