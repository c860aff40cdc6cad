#include "bridge/cli/subscription_survey.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/registry/record_form.h"
#include "bridge/registry/sealed.h"

static const char topic[] = "maesn.bridge.registry";
static const int64_t now_unix_ms = 1795300000000;

static struct keyring *ring(const char *line)
{
    struct keyring *k = NULL;
    assert_int_equal(keyring_parse(bytes_of_text(line), "keys", &k, NULL), STATUS_OK);
    return k;
}

#define DIGITS "5f705f705f705f705f705f705f705f705f705f705f705f705f705f705f705f70"

static void put_sealed(struct topic_rows *rows, const struct keyring *k, const char *key,
                       const char *json)
{
    CLEANUP(buf_done) struct buf sealed;
    buf_init(&sealed, SEALED_MAX);
    assert_int_equal(sealed_seal(k, topic, bytes_of_text(key), bytes_of_text(json), &sealed),
                     STATUS_OK);
    assert_int_equal(topic_rows_put(rows, 0, bytes_of_text(key), buf_bytes(&sealed)), STATUS_OK);
}

#define ROUTE(generation, state)                                                                   \
    "{\"version\":1,\"state\":\"" state "\",\"provider\":\"maesn\",\"account\":\"acme\","          \
    "\"resource\":\"invoice\",\"event\":\"all\",\"generation_unix_ms\":" generation ","            \
    "\"origin\":\"created\",\"system\":\"xero\",\"secret\":\"hush\","                              \
    "\"expires_at_unix_ms\":1796164000000}"
#define KEY(generation) "/in/maesn/acme/invoice/all/" generation

/* What the tests look at: an active route, a retired one, a blocked account. */
static void gather(struct subscription_survey *s, const struct keyring *seals,
                   const struct keyring *opens)
{
    CLEANUP(topic_rows_done) struct topic_rows rows = {0};
    put_sealed(&rows, seals, KEY("1795293215356"), ROUTE("1795293215356", "active"));
    put_sealed(&rows, seals, KEY("1795293215355"), ROUTE("1795293215355", "retired"));
    put_sealed(&rows, seals, "/account/acme",
               "{\"version\":1,\"account\":\"acme\",\"provider\":\"maesn\",\"system\":\"xero\","
               "\"account_key\":\"hush\",\"status\":\"blocked\",\"reason\":\"401\"}");
    assert_int_equal(subscription_survey_add_registry(s, &rows, topic, opens), STATUS_OK);
}

static char *table(const struct subscription_survey *s, struct buf *text)
{
    buf_init(text, 4096);
    subscription_survey_print_table(s, now_unix_ms, false, text);
    return (char *)text->data;
}

static void what_is_alive_is_listed_and_what_is_retired_only_if_asked(void **state)
{
    struct keyring *k = *state;
    for (int all = 0; all < 2; all++) {
        CLEANUP(subscription_survey_done) struct subscription_survey s;
        CLEANUP(buf_done) struct buf text;
        subscription_survey_init(&s, NULL, all == 1);
        gather(&s, k, k);
        assert_string_equal(
            table(&s, &text),
            all == 1
                ? "ACCOUNT  SYSTEM  RESOURCE  EVENT  STATE    EXPIRES               LAST EVENT\n"
                  "acme     xero    invoice   all    retired  2026-12-01 (in 10 d)  never\n"
                  "acme     xero    invoice   all    active   2026-12-01 (in 10 d)  never\n"
                  "acme: blocked: 401\n"
                : "ACCOUNT  SYSTEM  RESOURCE  EVENT  STATE   EXPIRES               LAST EVENT\n"
                  "acme     xero    invoice   all    active  2026-12-01 (in 10 d)  never\n"
                  "acme: blocked: 401\n");
    }
}

static void the_latest_event_counts_whatever_its_partition(void **state)
{
    struct keyring *k = *state;
    CLEANUP(topic_rows_done) struct topic_rows rows = {0};
    const char *values[] = {
        "{\"version\":1,\"first_at_unix_ms\":1,\"last_at_unix_ms\":1795299000000,\"callbacks\":1}",
        "{\"version\":1,\"first_at_unix_ms\":1,\"last_at_unix_ms\":1795299700000,\"callbacks\":1}",
        "no record"};
    for (int32_t p = 0; p < 3; p++)
        assert_int_equal(topic_rows_put(&rows, p, BYTES_LITERAL("maesn/acme/invoice/all"),
                                        bytes_of_text(values[p])),
                         STATUS_OK);
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    CLEANUP(buf_done) struct buf text;
    subscription_survey_init(&s, "acme", false);
    gather(&s, k, k);
    subscription_survey_add_activity(&s, &rows, 3);
    assert_int_equal(s.routes[0].last_event_unix_ms, 1795299700000);
    assert_non_null(strstr(table(&s, &text), "5 min ago"));
}

static void another_account_is_not_listed(void **state)
{
    struct keyring *k = *state;
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    CLEANUP(buf_done) struct buf text;
    subscription_survey_init(&s, "beta", true);
    gather(&s, k, k);
    assert_string_equal(table(&s, &text), "no subscriptions\n");
}

static void what_cannot_be_read_is_told_of_and_counted(void **state)
{
    struct keyring *k = *state, *other = ring("k2:" DIGITS "\n");
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    CLEANUP(buf_done) struct buf text;
    subscription_survey_init(&s, NULL, false);
    gather(&s, k, other);
    assert_int_equal(s.unreadable, 3);
    assert_non_null(strstr(table(&s, &text), "unreadable"));
    keyring_unref(other);
}

static void no_form_of_it_has_a_secret(void **state)
{
    struct keyring *k = *state;
    CLEANUP(subscription_survey_done) struct subscription_survey s;
    CLEANUP(buf_done) struct buf text;
    subscription_survey_init(&s, NULL, true);
    gather(&s, k, k);
    (void)table(&s, &text);
    subscription_survey_print_details(&s, now_unix_ms, true, &text);
    subscription_survey_print_json(&s, &text);
    assert_int_equal(text.status, STATUS_OK);
    assert_non_null(strstr(buf_text(&text), "\"has_secret\":true"));
    assert_null(strstr(buf_text(&text), "hush"));
}

static int start(void **state)
{
    record_form_start();
    if (crypto_start() != STATUS_OK)
        return 1;
    *state = ring("k1:" DIGITS "\n");
    return 0;
}

static int stop(void **state)
{
    keyring_unref(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_alive_is_listed_and_what_is_retired_only_if_asked),
        cmocka_unit_test(the_latest_event_counts_whatever_its_partition),
        cmocka_unit_test(another_account_is_not_listed),
        cmocka_unit_test(what_cannot_be_read_is_told_of_and_counted),
        cmocka_unit_test(no_form_of_it_has_a_secret),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
