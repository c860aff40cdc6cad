#include "bridge/ingress/answer.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bridge/base/clock.h"

/* Retry-After: 1 s for what passes by itself, 5 s for what takes Kafka, or a person, to mend. */
static const struct answer_row rows[ANSWERS] = {
    [ANSWER_NONE] = {503, 1, "", "undecided", ANSWER_LOG_REJECTED},
    [ANSWER_ACCEPTED] = {200, 0, "", "accepted", ANSWER_LOG_NOTHING},
    [ANSWER_PROBED] = {200, 0, "", "probed", ANSWER_LOG_NOTHING},
    [ANSWER_MALFORMED] = {400, 0, "bad request\n", "malformed", ANSWER_LOG_REJECTED},
    [ANSWER_HEADER_TOO_LARGE] = {431, 0, "header too large\n", "header-too-large",
                                 ANSWER_LOG_REJECTED},
    [ANSWER_FRAMING] = {400, 0, "bad request\n", "framing", ANSWER_LOG_REJECTED},
    [ANSWER_EXPECTATION] = {417, 0, "expectation failed\n", "expectation", ANSWER_LOG_REJECTED},
    [ANSWER_PATH_UNKNOWN] = {404, 0, "not found\n", "path-unknown", ANSWER_LOG_REJECTED},
    [ANSWER_PATHS_LIMITED] = {429, 5, "too many requests\n", "paths-limited", ANSWER_LOG_LIMITED},
    [ANSWER_PATH_NOT_YET] = {503, 1, "try again\n", "path-not-yet", ANSWER_LOG_REJECTED},
    [ANSWER_METHOD] = {405, 0, "method not allowed\n", "method", ANSWER_LOG_REJECTED},
    [ANSWER_BODY_TOO_LARGE] = {413, 0, "body too large\n", "body-too-large", ANSWER_LOG_REJECTED},
    [ANSWER_OVERLOADED] = {503, 1, "try again\n", "overloaded", ANSWER_LOG_REJECTED},
    [ANSWER_TOO_SLOW] = {408, 0, "request timeout\n", "too-slow", ANSWER_LOG_REJECTED},
    [ANSWER_SIGNATURE_BAD] = {401, 0, "unauthorized\n", "signature-bad", ANSWER_LOG_REJECTED},
    [ANSWER_SIGNATURE_MISSING] = {401, 0, "unauthorized\n", "signature-missing",
                                  ANSWER_LOG_REJECTED},
    [ANSWER_SIGNATURE_STALE] = {401, 0, "unauthorized\n", "signature-stale", ANSWER_LOG_REJECTED},
    [ANSWER_SIGNATURES_LIMITED] = {429, 5, "too many requests\n", "signatures-limited",
                                   ANSWER_LOG_LIMITED},
    [ANSWER_CALLBACKS_LIMITED] = {429, 1, "too many requests\n", "callbacks-limited",
                                  ANSWER_LOG_LIMITED},
    [ANSWER_ROUTE_PENDING] = {503, 1, "try again\n", "route-pending", ANSWER_LOG_REJECTED},
    [ANSWER_SHORT_OF_MEMORY] = {503, 1, "try again\n", "short-of-memory", ANSWER_LOG_REJECTED},
    [ANSWER_INTERNAL] = {503, 5, "try again\n", "internal", ANSWER_LOG_UNANSWERED},
    [ANSWER_SINK_BUSY] = {503, 1, "try again\n", "queue-full", ANSWER_LOG_UNANSWERED},
    [ANSWER_SINK_UNAVAILABLE] = {503, 5, "try again\n", "kafka-unavailable", ANSWER_LOG_UNANSWERED},
    [ANSWER_SINK_REFUSED] = {503, 5, "try again\n", "kafka-refused", ANSWER_LOG_UNANSWERED},
    [ANSWER_NOT_DURABLE] = {503, 5, "try again\n", "not-durable", ANSWER_LOG_UNANSWERED},
    [ANSWER_DEADLINE] = {503, 5, "try again\n", "deadline", ANSWER_LOG_UNANSWERED},
};

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL. */
#define DATE_SIZE 30

struct built {
    struct MHD_Response *response;
    time_t dated_at; /* the second that its Date tells; 0: it has none, libmicrohttpd writes one */
    char date[DATE_SIZE];
};

struct answers {
    struct built open[ANSWERS];
    struct built closing[ANSWERS];
};

const struct answer_row *answer_row(enum answer answer)
{
    return &rows[answer];
}

enum answer answer_of_verification(enum verification verification)
{
    switch (verification) {
    case VERIFICATION_BAD:
        return ANSWER_SIGNATURE_BAD;
    case VERIFICATION_MISSING:
        return ANSWER_SIGNATURE_MISSING;
    case VERIFICATION_STALE:
        return ANSWER_SIGNATURE_STALE;
    case VERIFICATION_CURRENT:
    case VERIFICATION_PREVIOUS:
    case VERIFICATION_TOKEN:
        return ANSWER_NONE;
    }
    return ANSWER_SIGNATURE_BAD;
}

/* Our own trouble is never a 4xx: what a sender is told is wrong it need not send again. */
enum answer answer_of_status(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return ANSWER_NONE;
    case STATUS_NOMEM:
        return ANSWER_SHORT_OF_MEMORY;
    case STATUS_INVALID:
    case STATUS_UNAUTHENTIC:
    case STATUS_INTERNAL:
        return ANSWER_INTERNAL;
    case STATUS_BUSY:
        return ANSWER_SINK_BUSY;
    case STATUS_UNAVAILABLE:
        return ANSWER_SINK_UNAVAILABLE;
    case STATUS_REFUSED:
        return ANSWER_SINK_REFUSED;
    }
    return ANSWER_INTERNAL;
}

enum answer answer_of_report(enum status status)
{
    if (status == STATUS_REFUSED)
        return ANSWER_SINK_REFUSED;
    return status == STATUS_OK ? ANSWER_ACCEPTED : ANSWER_NOT_DURABLE;
}

static bool has_body(enum answer answer)
{
    return rows[answer].body[0] != '\0';
}

static bool add_headers(struct MHD_Response *response, enum answer answer, bool closing)
{
    char seconds[16];
    snprintf(seconds, sizeof(seconds), "%u", rows[answer].retry_after_s);
    return (rows[answer].retry_after_s == 0 ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds) == MHD_YES) &&
           (answer != ANSWER_METHOD ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "POST") == MHD_YES) &&
           (!has_body(answer) || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                         "text/plain") == MHD_YES) &&
           (!closing ||
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES);
}

static struct MHD_Response *build(enum answer answer, bool closing)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(rows[answer].body), (void *)rows[answer].body, MHD_RESPMEM_PERSISTENT);
    if (response == NULL || add_headers(response, answer, closing))
        return response;
    MHD_destroy_response(response);
    return NULL;
}

enum status answers_new(struct answers **ret)
{
    struct answers *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return STATUS_NOMEM;
    for (enum answer answer = ANSWER_NONE; answer < ANSWERS; answer++) {
        a->open[answer].response = build(answer, false);
        a->closing[answer].response = build(answer, true);
        if (a->open[answer].response == NULL || a->closing[answer].response == NULL) {
            answers_free(a);
            return STATUS_NOMEM;
        }
    }
    *ret = a;
    return STATUS_OK;
}

void answers_free(struct answers *a)
{
    for (enum answer answer = ANSWER_NONE; a != NULL && answer < ANSWERS; answer++) {
        if (a->open[answer].response != NULL)
            MHD_destroy_response(a->open[answer].response);
        if (a->closing[answer].response != NULL)
            MHD_destroy_response(a->closing[answer].response);
    }
    free(a);
}

/* Source: RFC 9110 section 5.6.7. */
static bool date_print(char ret[DATE_SIZE], time_t now)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL)
        return false;
    int len = snprintf(ret, DATE_SIZE, "%.3s, %02d %.3s %d %02d:%02d:%02d GMT",
                       days + 3 * utc.tm_wday, utc.tm_mday, months + 3 * utc.tm_mon,
                       1900 + utc.tm_year, utc.tm_hour, utc.tm_min, utc.tm_sec);
    return len == DATE_SIZE - 1;
}

/* libmicrohttpd would work the date out for every answer, under a lock that all threads share
 * (0.9.75, connection.c, get_date_str(); glibc, __tz_convert()). */
static void date(struct built *built, time_t now)
{
    if (built->dated_at == now)
        return;
    if (built->dated_at != 0)
        MHD_del_response_header(built->response, MHD_HTTP_HEADER_DATE, built->date);
    built->dated_at = 0;
    if (date_print(built->date, now) &&
        MHD_add_response_header(built->response, MHD_HTTP_HEADER_DATE, built->date) == MHD_YES)
        built->dated_at = now;
}

bool answers_queue(struct answers *a, struct MHD_Connection *mhd, enum answer answer, bool closing)
{
    struct built *built = closing ? &a->closing[answer] : &a->open[answer];
    date(built, (time_t)(clock_unix_ms() / 1000));
    return MHD_queue_response(mhd, rows[answer].code, built->response) == MHD_YES;
}

size_t answer_print(enum answer answer, char *ret, size_t ret_size)
{
    const struct answer_row *row = &rows[answer];
    char retry_after[32] = "";
    if (row->retry_after_s > 0)
        snprintf(retry_after, sizeof(retry_after), "Retry-After: %u\r\n", row->retry_after_s);
    int len =
        snprintf(ret, ret_size,
                 "HTTP/1.1 %u %s\r\nConnection: close\r\n%s%sContent-Type: text/plain\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 row->code, MHD_get_reason_phrase_for(row->code), retry_after,
                 answer == ANSWER_METHOD ? "Allow: POST\r\n" : "", strlen(row->body), row->body);
    return len < 0 || (size_t)len >= ret_size ? 0 : (size_t)len;
}
