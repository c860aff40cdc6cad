/* What Maesn's answers are taken for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/providers/maesn/maesn.h"
#include "tests/support/api_text.h"

#define URL "https://hooks.example.com/in/maesn/acme-42/invoice/all/1-k7q"
#define OTHER_URL "https://elsewhere.example.com/hook"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DATES                                                                                      \
    "\"createdDate\":\"2026-06-01T00:00:00Z\",\"updatedDate\":\"2026-06-01T00:00:00Z\","           \
    "\"expiresDate\":\"2027-06-01T00:00:00.000Z\""
#define ENTRY "{\"id\":\"0b7c-1\",\"callbackUrl\":\"" URL "\"," DATES "}"
#define FOREIGN "{\"id\":\"f\",\"callbackUrl\":\"" OTHER_URL "\"}"
#define LIST(data) "{\"meta\":null,\"data\":" data ",\"errors\":null,\"rawData\":null}"
#define PAGED(data, pagination)                                                                    \
    "{\"meta\":{\"warnings\":null,\"pagination\":" pagination "},\"data\":" data "}"
#define ENTRY_TEXT "0b7c-1 " URL " created=2026-06-01T00:00:00Z expires=2027-06-01T00:00:00Z\n"

static struct provider_answer answered(int http_status, const char *body)
{
    return (struct provider_answer){PROVIDER_ANSWERED, http_status, bytes_of_text(body)};
}

static void append_list(struct api_text *t, const struct provider_answer answers[], size_t len)
{
    struct provider_credentials c = api_text_credentials(t, "maesn", "https://a.b", NULL, NULL);
    struct listing l = {.trusted = false};
    for (size_t i = 0; i < len; i++)
        assert_int_equal(maesn.api->read_list(&c, &answers[i], t->arena, &l), STATUS_OK);
    api_text_listing(t, &l);
}

/* --- lists ---------------------------------------------------------------------------------- */

static const struct {
    int http_status;
    const char *body, *expected;
} lists[] = {
    /* the documented form */
    {200, LIST("[" ENTRY "," FOREIGN "]"), "ok\n" ENTRY_TEXT "f " OTHER_URL "\n"},
    /* nothing there is an answer too */
    {200, LIST("[]"), "ok\n"},
    /* what is optional is left out; unknown members are nobody's business */
    {200, " {\"data\" : [ ] , \"new\":{\"a\":[1]}}\n", "ok\n"},
    /* errors that are none */
    {200, "{\"data\":[],\"errors\":[]}", "ok\n"},
    {200, "{\"data\":[],\"errors\":{}}", "ok\n"},
    {200, "{\"data\":[],\"errors\":\"\"}", "ok\n"},
    /* an id that is a number, of any length */
    {200, LIST("[{\"id\":9007199254740993123,\"callbackUrl\":\"u\"}]"),
     "ok\n9007199254740993123 u\n"},
    /* dates that are none */
    {200,
     LIST("[{\"id\":\"1\",\"callbackUrl\":\"u\",\"createdDate\":null,\"expiresDate\":null},"
          "{\"id\":\"2\",\"callbackUrl\":\"u\",\"createdDate\":\"\",\"expiresDate\":\"soon\"},"
          "{\"id\":\"3\",\"callbackUrl\":\"u\",\"createdDate\":5,\"expiresDate\":\"2027-06-01\"}]"),
     "ok\n1 u\n2 u\n3 u\n"},
    /* escapes are undone */
    {200, LIST("[{\"\\u0069d\":\"\\u0031\",\"callbackUrl\":\"https:\\/\\/a\\u002eb\"}]"),
     "ok\n1 https://a.b\n"},
    /* one entry, twice */
    {200, LIST("[" ENTRY "," ENTRY "]"), "ok\n" ENTRY_TEXT},
    /* one id, two URLs */
    {200, LIST("[" ENTRY ",{\"id\":\"0b7c-1\",\"callbackUrl\":\"" OTHER_URL "\"}]"),
     "untrusted: the list has one id with two callback URLs\n"},
    /* two ids on one URL */
    {200, LIST("[{\"id\":\"2\",\"callbackUrl\":\"u\"},{\"id\":\"1\",\"callbackUrl\":\"u\"}]"),
     "ok\n1 u\n2 u\n"},
    /* pagination that says there is nothing more */
    {200, PAGED("[" ENTRY "]", "null"), "ok\n" ENTRY_TEXT},
    {200, PAGED("[" ENTRY "]", "{\"total\":1,\"perPage\":50,\"currentPage\":1,\"totalPages\":1}"),
     "ok\n" ENTRY_TEXT},
    {200, PAGED("[]", "{\"total\":0,\"perPage\":50,\"currentPage\":1,\"totalPages\":0}"), "ok\n"},
    /* more pages */
    {200, PAGED("[" ENTRY "]", "{\"total\":51,\"perPage\":50,\"currentPage\":1,\"totalPages\":2}"),
     "ambiguous\nnext page 2\n"},
    /* fewer entries than there are */
    {200, PAGED("[" ENTRY "]", "{\"total\":2,\"perPage\":50,\"currentPage\":1,\"totalPages\":1}"),
     "untrusted: the list has 1 entries and says there are 2\n"},
    /* odd pagination */
    {200, PAGED("[]", "{}"), "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "7"), "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":\"1\"}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":-1}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":1,\"total\":0.5}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":101,\"currentPage\":1}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":99999999999,\"currentPage\":1}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, PAGED("[]", "{\"totalPages\":2,\"currentPage\":2}"),
     "untrusted: the list's pagination is odd on page 1\n"},
    {200, "{\"meta\":[],\"data\":[]}", "untrusted: the list's pagination is odd on page 1\n"},
    /* errors beside data: partial at best */
    {200, "{\"data\":[],\"errors\":[{\"message\":\"upstream\\u0007 is down\"}]}",
     "untrusted: the list came with errors: [{\"message\":\"upstream\\u0007 is down\"}]\n"},
    {200, "{\"data\":[" ENTRY "],\"errors\":\"partial\"}",
     "untrusted: the list came with errors: \"partial\"\n"},
    {200, "{\"data\":[],\"errors\":false}", "untrusted: the list came with errors: false\n"},
    /* data that is no array */
    {200, "{\"data\":null}", "untrusted: the list's data is no array\n"},
    {200, "{\"data\":{}}", "untrusted: the list's data is no array\n"},
    {200, "{\"data\":\"[]\"}", "untrusted: the list's data is no array\n"},
    {200, "{}", "untrusted: the list's data is no array\n"},
    {200, "[]", "untrusted: the list's data is no array\n"},
    {200, "null", "untrusted: the list's data is no array\n"},
    /* entries that are none */
    {200, LIST("[null]"), "untrusted: the list has an entry without id\n"},
    {200, LIST("[[" ENTRY "]]"), "untrusted: the list has an entry without id\n"},
    {200, LIST("[{\"id\":\"\",\"callbackUrl\":\"u\"}]"),
     "untrusted: the list has an entry without id\n"},
    {200, LIST("[{\"id\":true,\"callbackUrl\":\"u\"}]"),
     "untrusted: the list has an entry without id\n"},
    {200, LIST("[" ENTRY ",{\"id\":\"1\",\"callbackUrl\":null}]"),
     "untrusted: the list has an entry without callbackUrl\n"},
    {200, LIST("[{\"id\":\"1\",\"callbackUrl\":[\"u\"]}]"),
     "untrusted: the list has an entry without callbackUrl\n"},
    /* bodies that are no JSON */
    {200, "", "untrusted: the answer's body is empty\n"},
    {200, "<!doctype html><title>Sign in</title>",
     "untrusted: the answer's body is no JSON, at byte 0 of 37\n"},
    {200, "{\"data\":[" ENTRY, "untrusted: the answer's body is no JSON, at byte 216 of 216\n"},
    {200, "{\"data\":[]} trailing", "untrusted: the answer's body is no JSON, at byte 12 of 20\n"},
    {200, "\xef\xbb\xbf{\"data\":[]}",
     "untrusted: the answer's body is no JSON, at byte 0 of 14\n"},
    {200, "{\"data\":[],\"data\":[" ENTRY "]}",
     "untrusted: the answer's body has an object with the same key twice\n"},
    /* other successes */
    {201, LIST("[]"), "untrusted: maesn answered 201\n"},
    {204, "", "untrusted: maesn answered 204\n"},
    {206, LIST("[]"), "untrusted: maesn answered 206\n"},
    /* redirects are not followed */
    {302, "", "untrusted: maesn answered 302\n"},
    {304, "", "untrusted: maesn answered 304\n"},
    /* the documented errors */
    {400, "{\"validationErrors\":[\"x\"]}",
     "refused: maesn answered 400: {\"validationErrors\":[\"x\"]}\n"},
    {401, "", "unauthorized: maesn answered 401\n"},
    {403, "inactive", "forbidden: maesn answered 403: inactive\n"},
    {404, "nope", "refused: maesn answered 404: nope\n"},
    {405, "", "refused: maesn answered 405\n"},
    {408, "", "retry-later: maesn answered 408\n"},
    {429, "Retry later", "retry-later: maesn answered 429: Retry later\n"},
    {500, "", "retry-later: maesn answered 500\n"},
    {503, "<html>\r\n<b>down</b>", "retry-later: maesn answered 503: <html>  <b>down</b>\n"},
    /* a good list behind a bad status is no list */
    {500, LIST("[]"),
     "retry-later: maesn answered 500: "
     "{\"meta\":null,\"data\":[],\"errors\":null,\"rawData\":null}\n"},
    {600, "", "untrusted: maesn answered 600\n"},
};

static void a_list_is_trusted_only_when_nothing_is_odd(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        api_text_begin(&t);
        struct provider_answer answer = answered(lists[i].http_status, lists[i].body);
        append_list(&t, &answer, 1);
        assert_string_equal(buf_text(&t.text), lists[i].expected);
    }
}

/* Every cut of a good list, and every cut that the client noticed. */
static void a_truncated_list_is_never_trusted(void **state)
{
    (void)state;
    static const char whole[] = LIST("[" ENTRY "," FOREIGN "]");
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        CLEANUP(api_text_done) struct api_text t;
        api_text_begin(&t);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        struct provider_answer cut = {PROVIDER_ANSWERED, 200, bytes_of(whole, len)};
        struct listing l = {.trusted = false};
        assert_int_equal(maesn.api->read_list(&c, &cut, t.arena, &l), STATUS_OK);
        assert_false(l.trusted);
        assert_int_equal(l.outcome.verdict, VERDICT_UNTRUSTED);
        cut.reach = PROVIDER_UNANSWERED;
        l = (struct listing){.trusted = false};
        assert_int_equal(maesn.api->read_list(&c, &cut, t.arena, &l), STATUS_OK);
        assert_false(l.trusted);
        assert_int_equal(l.outcome.verdict, VERDICT_RETRY_LATER);
    }
}

#define PAGE(number, pages, total)                                                                 \
    "{\"total\":" total ",\"perPage\":1,\"currentPage\":" number ",\"totalPages\":" pages "}"
#define A "{\"id\":\"a\",\"callbackUrl\":\"u\"}"
#define B "{\"id\":\"b\",\"callbackUrl\":\"u\"}"

static const struct {
    struct provider_answer answers[2];
    const char *expected;
} pages[] = {
#define TWO(first, second)                                                                         \
    {                                                                                              \
        {PROVIDER_ANSWERED, 200, BYTES_LITERAL(first)},                                            \
            {PROVIDER_ANSWERED, 200, BYTES_LITERAL(second)},                                       \
    }
    /* both pages make one list */
    {TWO(PAGED("[" B "]", PAGE("1", "2", "2")), PAGED("[" A "]", PAGE("2", "2", "2"))),
     "ok\na u\nb u\n"},
    /* an entry that moved on: one is missing */
    {TWO(PAGED("[" A "]", PAGE("1", "2", "2")), PAGED("[" A "]", PAGE("2", "2", "2"))),
     "untrusted: the list has 1 entries and says there are 2\n"},
    /* the page parameter was ignored */
    {TWO(PAGED("[" A "]", PAGE("1", "2", "2")), PAGED("[" A "]", PAGE("1", "2", "2"))),
     "untrusted: the list's pagination is odd on page 2\n"},
    /* it grew while it was read */
    {TWO(PAGED("[" A "]", PAGE("1", "2", "2")), PAGED("[" B "]", PAGE("2", "3", "3"))),
     "untrusted: the list had 2 pages, and then 3\n"},
    /* the second page says nothing of pages */
    {TWO(PAGED("[" A "]", PAGE("1", "2", "2")), LIST("[" B "]")),
     "untrusted: the list's pagination is odd on page 2\n"},
    /* the second page is an error */
    {{{PROVIDER_ANSWERED, 200, BYTES_LITERAL(PAGED("[" A "]", PAGE("1", "2", "2")))},
      {PROVIDER_ANSWERED, 502, BYTES_LITERAL("")}},
     "retry-later: maesn answered 502\n"},
    /* or never comes */
    {{{PROVIDER_ANSWERED, 200, BYTES_LITERAL(PAGED("[" A "]", PAGE("1", "2", "2")))},
      {PROVIDER_UNANSWERED, 0, {NULL, 0}}},
     "retry-later: maesn gave no whole answer\n"},
};

static void a_list_is_trusted_only_with_all_its_pages(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        api_text_begin(&t);
        append_list(&t, pages[i].answers, 2);
        assert_string_equal(buf_text(&t.text), pages[i].expected);
    }
}

static void a_huge_list_is_read_up_to_the_bound(void **state)
{
    (void)state;
    for (size_t len = LISTING_ENTRIES_MAX; len <= LISTING_ENTRIES_MAX + 1; len++) {
        CLEANUP(api_text_done) struct api_text t;
        CLEANUP(buf_done) struct buf body;
        api_text_begin(&t);
        buf_init(&body, 4 << 20);
        buf_append_text(&body, "{\"data\":[");
        for (size_t i = 0; i < len; i++)
            buf_printf(&body, "%s{\"id\":\"%zu\",\"callbackUrl\":\"u\"}", i == 0 ? "" : ",", i);
        buf_append_text(&body, "]}");
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        struct provider_answer answer = {PROVIDER_ANSWERED, 200, buf_bytes(&body)};
        struct listing l = {.trusted = false};
        assert_int_equal(maesn.api->read_list(&c, &answer, t.arena, &l), STATUS_OK);
        assert_int_equal(l.trusted, len == LISTING_ENTRIES_MAX);
        assert_string_equal(l.outcome.reason.text,
                            l.trusted ? "" : "the list has more than 10000 entries");
    }
}

/* --- creates -------------------------------------------------------------------------------- */

#define MADE(more) "{\"id\":\"0b7c-1\",\"callbackUrl\":\"" URL "\"," DATES more "}"

static const struct {
    int http_status;
    const char *body, *expected;
} creates[] = {
    /* both documented statuses */
    {201, LIST(MADE(",\"secret\":\"" SECRET "\"")),
     "ok\n0b7c-1 " URL " created=2026-06-01T00:00:00Z expires=2027-06-01T00:00:00Z secret=" SECRET
     "\n"},
    {200, LIST(MADE(",\"secret\":\"" SECRET "\"")),
     "ok\n0b7c-1 " URL " created=2026-06-01T00:00:00Z expires=2027-06-01T00:00:00Z secret=" SECRET
     "\n"},
    /* no dates, warnings */
    {201,
     "{\"meta\":{\"warnings\":[\"Field not used by target system\"]},\"data\":{\"id\":7,"
     "\"callbackUrl\":\"" URL
     "\",\"createdDate\":null,\"expiresDate\":null,\"secret\":\"s\\u00e9\"}}",
     "ok\n7 " URL " secret=s\xc3\xa9\n"},
    /* no secret, in every form */
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" URL "\"}"),
     "no-secret: the answer has no secret that can be used\n1 " URL "\n"},
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" URL "\",\"secret\":null}"),
     "no-secret: the answer has no secret that can be used\n1 " URL "\n"},
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" URL "\",\"secret\":\"\"}"),
     "no-secret: the answer has no secret that can be used\n1 " URL "\n"},
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" URL "\",\"secret\":12}"),
     "no-secret: the answer has no secret that can be used\n1 " URL "\n"},
    /* whose is it? */
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" OTHER_URL "\",\"secret\":\"s\"}"),
     "ambiguous: the answer's callbackUrl is not the one that was sent\n"},
    {201, LIST("{\"id\":\"1\",\"callbackUrl\":\"" URL "/\",\"secret\":\"s\"}"),
     "ambiguous: the answer's callbackUrl is not the one that was sent\n"},
    {201, LIST("{\"id\":\"1\",\"secret\":\"s\"}"),
     "ambiguous: the answer has no callbackUrl that is a text\n"},
    {201, LIST("{\"callbackUrl\":\"" URL "\",\"secret\":\"s\"}"),
     "ambiguous: the answer has no id that is a text\n"},
    {201, LIST("{\"id\":{},\"callbackUrl\":\"" URL "\",\"secret\":\"s\"}"),
     "ambiguous: the answer has no id that is a text\n"},
    /* an answer that cannot be read; what it may hold is not shown */
    {201, "", "ambiguous: the answer's body is empty\n"},
    {201, "<html>" SECRET, "ambiguous: the answer's body is no JSON, at byte 0 of 70\n"},
    {201, "{\"data\":{\"secret\":\"" SECRET "\"",
     "ambiguous: the answer's body is no JSON, at byte 84 of 84\n"},
    {201, LIST("null"), "ambiguous: the answer has no id that is a text\n"},
    {201, LIST("[" ENTRY "]"), "ambiguous: the answer has no id that is a text\n"},
    {200, "{\"data\":null,\"errors\":[\"limit reached\"]}",
     "ambiguous: the answer has no id that is a text\n"},
    {200, "true", "ambiguous: the answer has no id that is a text\n"},
    {201, "{\"data\":{},\"data\":" MADE(",\"secret\":\"s\"") "}",
     "ambiguous: the answer's body has an object with the same key twice\n"},
    /* successes that nobody documents */
    {202, LIST(MADE(",\"secret\":\"s\"")), "ambiguous: maesn answered 202\n"},
    {204, "", "ambiguous: maesn answered 204\n"},
    {303, "", "ambiguous: maesn answered 303\n"},
    /* it may have been done */
    {500, "", "ambiguous: maesn answered 500\n"},
    {502, "", "ambiguous: maesn answered 502\n"},
    {504, "", "ambiguous: maesn answered 504\n"},
    {408, "", "ambiguous: maesn answered 408\n"},
    /* it was not done */
    {400, "{\"message\":\"eventType is not supported\"}",
     "refused: maesn answered 400: {\"message\":\"eventType is not supported\"}\n"},
    {401, "", "unauthorized: maesn answered 401\n"},
    {403, "", "forbidden: maesn answered 403\n"},
    {404, "", "refused: maesn answered 404\n"},
    {405, "", "refused: maesn answered 405\n"},
    {409, "", "refused: maesn answered 409\n"},
    {422, "", "refused: maesn answered 422\n"},
    {429, "", "retry-later: maesn answered 429\n"},
};

static void a_create_is_a_success_only_with_our_url_and_a_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        CLEANUP(created_done) struct created created;
        api_text_begin(&t);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        struct provider_answer answer = answered(creates[i].http_status, creates[i].body);
        assert_int_equal(maesn.api->read_create(&c, &answer, URL, t.arena, &created), STATUS_OK);
        api_text_created(&t, &created);
        assert_string_equal(buf_text(&t.text), creates[i].expected);
    }
}

static void a_secret_of_unreasonable_length_is_none(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    CLEANUP(created_done) struct created created;
    CLEANUP(buf_done) struct buf body;
    api_text_begin(&t);
    buf_init(&body, 1 << 16);
    buf_printf(&body,
               "{\"data\":{\"id\":\"1\",\"callbackUrl\":\"" URL "\",\"secret\":\"%05000d\"}}", 7);
    struct provider_credentials c = api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
    struct provider_answer answer = answered(201, buf_text(&body));
    assert_int_equal(maesn.api->read_create(&c, &answer, URL, t.arena, &created), STATUS_OK);
    api_text_created(&t, &created);
    assert_string_equal(buf_text(&t.text),
                        "no-secret: the answer has no secret that can be used\n1 " URL "\n");
}

/* What never reached Maesn did nothing; what did may have. */
static void a_call_without_an_answer_is_judged_by_how_far_it_came(void **state)
{
    (void)state;
    static const struct provider_answer unsent = {.reach = PROVIDER_UNSENT};
    static const struct provider_answer unanswered = {.reach = PROVIDER_UNANSWERED};
    CLEANUP(api_text_done) struct api_text t;
    CLEANUP(created_done) struct created created;
    struct provider_outcome outcome;
    api_text_begin(&t);
    struct provider_credentials c = api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
    append_list(&t, &unsent, 1);
    append_list(&t, &unanswered, 1);
    assert_int_equal(maesn.api->read_create(&c, &unsent, URL, t.arena, &created), STATUS_OK);
    api_text_created(&t, &created);
    assert_int_equal(maesn.api->read_create(&c, &unanswered, URL, t.arena, &created), STATUS_OK);
    api_text_created(&t, &created);
    maesn.api->read_change(&c, &unsent, &outcome);
    api_text_outcome(&t, &outcome);
    maesn.api->read_change(&c, &unanswered, &outcome);
    api_text_outcome(&t, &outcome);
    assert_string_equal(buf_text(&t.text), "retry-later: maesn was not reached\n"
                                           "retry-later: maesn gave no whole answer\n"
                                           "retry-later: maesn was not reached\n"
                                           "ambiguous: maesn gave no whole answer\n"
                                           "retry-later: maesn was not reached\n"
                                           "ambiguous: maesn gave no whole answer\n");
}

/* --- deletes -------------------------------------------------------------------------------- */

static const struct {
    int http_status;
    const char *body, *expected;
} changes[] = {
    /* any success, whatever it says */
    {200, "{}", "ok\n"},
    {200, "<html>", "ok\n"},
    {202, "", "ok\n"},
    {204, "", "ok\n"},
    /* gone, or never possible: a list tells */
    {404, "not found", "not-found: maesn answered 404: not found\n"},
    {410, "", "not-found: maesn answered 410\n"},
    {400, "", "refused: maesn answered 400\n"},
    {405, "", "refused: maesn answered 405\n"},
    {401, "", "unauthorized: maesn answered 401\n"},
    {403, "", "forbidden: maesn answered 403\n"},
    {429, "", "retry-later: maesn answered 429\n"},
    {301, "", "ambiguous: maesn answered 301\n"},
    {500, "", "ambiguous: maesn answered 500\n"},
};

static void a_delete_is_done_gone_refused_or_unknown(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct provider_outcome outcome;
        api_text_begin(&t);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        struct provider_answer answer = answered(changes[i].http_status, changes[i].body);
        maesn.api->read_change(&c, &answer, &outcome);
        api_text_outcome(&t, &outcome);
        assert_string_equal(buf_text(&t.text), changes[i].expected);
    }
}

/* --- reasons -------------------------------------------------------------------------------- */

#define TEN_WORDS "word word word word word word word word word word "

static const struct {
    const char *body, *shown;
} bodies[] = {
    /* our keys */
    {"bad key account-key-of-acme", "(not shown: a key stands in it)"},
    {"{\"X-API-KEY\":\"api-key-of-the-tenant\"}", "(not shown: a key stands in it)"},
    /* what looks like somebody's secret or token */
    {"token " SECRET " is old", "token *** is old"},
    {"k7qk7qk7qk7qk7qk7qk7qk7qk7", "***"},
    {"0b7c1111-2222-4333-8444-555555555555", "0b7c1111-2222-4333-8444-555555555555"},
    /* what would move a terminal's cursor */
    {"\x1b[2J\rred\x7f\xc2\x9b"
     "1m \xff\xc3\xbc",
     " [2J red  1m  \xc3\xbc"},
    /* too much: 200 bytes, 40 words */
    {TEN_WORDS TEN_WORDS TEN_WORDS TEN_WORDS TEN_WORDS,
     TEN_WORDS TEN_WORDS TEN_WORDS "word word word word word word word word word word..."},
};

static void a_reason_shows_no_secret_and_little_of_the_body(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct provider_outcome outcome;
        char expected[512];
        api_text_begin(&t);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        struct provider_answer answer = answered(400, bodies[i].body);
        maesn.api->read_change(&c, &answer, &outcome);
        snprintf(expected, sizeof(expected), "maesn answered 400: %s", bodies[i].shown);
        assert_string_equal(outcome.reason.text, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_trusted_only_when_nothing_is_odd),
        cmocka_unit_test(a_truncated_list_is_never_trusted),
        cmocka_unit_test(a_list_is_trusted_only_with_all_its_pages),
        cmocka_unit_test(a_huge_list_is_read_up_to_the_bound),
        cmocka_unit_test(a_create_is_a_success_only_with_our_url_and_a_secret),
        cmocka_unit_test(a_secret_of_unreasonable_length_is_none),
        cmocka_unit_test(a_call_without_an_answer_is_judged_by_how_far_it_came),
        cmocka_unit_test(a_delete_is_done_gone_refused_or_unknown),
        cmocka_unit_test(a_reason_shows_no_secret_and_little_of_the_body),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
