/* A native Moneybird account: its one subscription, its requests, and what answers are taken for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/domain/account.h"
#include "bridge/domain/integration_override.h"
#include "bridge/providers/moneybird/events.h"
#include "bridge/providers/moneybird/moneybird.h"
#include "tests/support/api_text.h"

#define BASE "https://moneybird.com/api/v2"
#define HEADERS " | Authorization: Bearer account-key-of-acme | Accept: application/json"
#define URL "https://hooks.example.com/in/moneybird/acme-42/all/all/1795293215356-k7q"
#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define TOKEN "a1B2c3D4e5F6g7H8i9J0k1L2"
#define ID "491823746501928374"

/* --- expansion ------------------------------------------------------------------------------ */

#define TAX_RATE_EVENTS                                                                            \
    "default_tax_rate_created tax_rate_activated tax_rate_created tax_rate_deactivated "           \
    "tax_rate_destroyed tax_rate_updated"

static const char *created_and_deleted[] = {"CREATED", "deleted"};
static const char *revoked[] = {"REVOKED"};
static const char *created_only[] = {"CREATED"};
static const char *misspelt[] = {"CREATD", "UPDATED"};

static const struct expansion_row {
    struct account account;
    const char *expected;
} expansions[] = {
    /* nothing wanted: no subscription, for an empty one would be for something else */
    {{.company_id = "1"}, ""},
    /* one resource, all events */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{.resource = "tax_rate"}},
      .subscriptions_len = 1},
     "all/all: " TAX_RATE_EVENTS "\n"},
    /* two overlapping ones, some events */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{"TAX_RATE", created_and_deleted, 2},
                                                       {"TAX_RATE", created_only, 1},
                                                       {"PAYMENT", created_and_deleted, 2}},
      .subscriptions_len = 3},
     "all/all: default_tax_rate_created payment_destroyed payment_registered tax_rate_created "
     "tax_rate_destroyed\n"},
    /* a resource that Maesn does not unify */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{.resource = "GOAL"}},
      .subscriptions_len = 1},
     "all/all: goal_completed goal_uncompleted\n"},
    /* TOKEN is about its end only */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{.resource = "TOKEN"}},
      .subscriptions_len = 1},
     "all/all: access_token_revoked\n"},
    {{.company_id = "1",
      .subscriptions =
          (struct account_subscription[]){{"TOKEN", created_only, 1}, {"CONTACT", revoked, 1}},
      .subscriptions_len = 2},
     "error events[0.0]: CREATED of TOKEN, which Moneybird has no event for\n"
     "error events[1.0]: REVOKED of CONTACT, which Moneybird has no event for\n"},
    /* names that are none; what is right stays */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{"INVOCE", NULL, 0}, {"TODO", misspelt, 2}},
      .subscriptions_len = 2},
     "all/all: todo_completed todo_opened\n"
     "error resource[0.0]: INVOCE, expected one of CONTACT, INVOICE, PAYMENT, TAX_RATE, TOKEN (did "
     "you mean \"INVOICE\"?), or another of Moneybird's\n"
     "error events[1.0]: CREATD, expected one of CREATED, DELETED, REVOKED, UPDATED (did you mean "
     "\"CREATED\"?)\n"},
    /* native names: of the table, already there, new, a group */
    {{.company_id = "1",
      .subscriptions = (struct account_subscription[]){{"TAX_RATE", created_only, 1}},
      .subscriptions_len = 1,
      .events_raw = (const char *[]){"goal_completed", "tax_rate_created", "robot_hired", "contact",
                                     "goal_complete"},
      .events_raw_len = 5},
     "all/all: contact default_tax_rate_created goal_complete goal_completed robot_hired "
     "tax_rate_created\n"
     "warning events_raw[0.2]: robot_hired is none of the 343 events known here\n"
     "error events_raw[0.3]: contact is a group, expected the names of its events\n"
     "warning events_raw[0.4]: goal_complete is none of the 343 events known here (did you mean "
     "\"goal_completed\"?)\n"},
    /* only native names */
    {{.company_id = "1",
      .events_raw = (const char *[]){"user_removed", "user_invited"},
      .events_raw_len = 2},
     "all/all: user_invited user_removed\n"},
    /* the administration must be there, an environment is nothing to Moneybird */
    {{.environment_name = "Production",
      .subscriptions = (struct account_subscription[]){{.resource = "GOAL"}},
      .subscriptions_len = 1},
     "all/all: goal_completed goal_uncompleted\n"
     "error company_id[0.0]: missing, expected the administration's id\n"
     "warning environment_name[0.0]: Production is not sent: moneybird takes none\n"},
};

static const struct integration_overrides no_overrides = {NULL, 0};

static struct account complete(const struct account *declared)
{
    struct account account = *declared;
    account.id = "acme-42";
    account.provider = &moneybird;
    account.system = "moneybird";
    return account;
}

static void a_native_account_is_one_subscription_with_the_names_of_its_events(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct account account = complete(&expansions[i].account);
        struct expansion e;
        api_text_begin(&t);
        assert_int_equal(moneybird.api->expand(&account, &no_overrides, t.arena, &e), STATUS_OK);
        api_text_expansion(&t, &e);
        assert_string_equal(buf_text(&t.text), expansions[i].expected);
    }
}

/* Every event of the unified resources, none of another, in order, no twins. */
static void all_means_the_unified_resources_and_the_end_of_the_token(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    struct account account = complete(&(struct account){.company_id = "1", .wants_all = true});
    struct expansion e;
    api_text_begin(&t);
    assert_int_equal(events_len(), 343);
    assert_int_equal(moneybird.api->expand(&account, &no_overrides, t.arena, &e), STATUS_OK);
    assert_int_equal(e.wanted_len, 1);
    assert_int_equal(e.problems_len, 0);
    assert_string_equal(e.company_id, "1");
    size_t at = 0;
    for (size_t i = 0; i < events_len(); i++) {
        static const char *const unified[] = {"CONTACT", "INVOICE", "PAYMENT", "TAX_RATE"};
        bool is_wanted = strcmp(events_name(i), "access_token_revoked") == 0;
        for (size_t n = 0; n < 4; n++)
            is_wanted = is_wanted || strcmp(events_nth_meaning(i).resource, unified[n]) == 0;
        if (!is_wanted)
            continue;
        assert_true(at < e.wanted[0].enabled_events_len);
        assert_string_equal(e.wanted[0].enabled_events[at++], events_name(i));
    }
    assert_int_equal(at, e.wanted[0].enabled_events_len);
    assert_int_equal(at, 48 + 21 + 11 + 6 + 1);
}

/* --- requests ------------------------------------------------------------------------------- */

static void requests_are_as_moneybird_documents_them(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    struct wanted wanted = {.enabled_events = (const char *[]){"contact_created", "new\"name"},
                            .enabled_events_len = 2};
    struct wanted nothing = {.enabled_events = NULL};
    struct provider_request r;
    struct diag diag = {""};
    api_text_begin(&t);
    const struct provider_api *api = moneybird.api;
    struct provider_credentials c =
        api_text_credentials(&t, "moneybird", BASE, "123", "never sent");
    struct provider_credentials none = api_text_credentials(&t, "moneybird", BASE, NULL, NULL);
    assert_true(specification_set(&wanted.specification, "moneybird", "acme-42", NULL, NULL));
    api_text_request(&t, api->list(&c, 1, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, api->create(&c, &wanted, URL, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, api->delete (&c, ID, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, api->activate(&c, ID, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, api->create(&c, &nothing, URL, t.arena, &r, &diag), &r, &diag);
    diag.text[0] = '\0';
    api_text_request(&t, api->list(&none, 1, t.arena, &r, &diag), &r, &diag);
    assert_string_equal(buf_text(&t.text),
                        "GET " BASE "/123/webhooks.json" HEADERS "\n"
                        "POST " BASE "/123/webhooks.json" HEADERS
                        " | Content-Type: application/json | {\"url\":\"" URL
                        "\",\"enabled_events\":[\"contact_created\",\"new\\\"name\"]}\n"
                        "DELETE " BASE "/123/webhooks/" ID ".json" HEADERS "\n"
                        "PATCH " BASE "/123/webhooks/" ID "/activate.json" HEADERS "\n"
                        "invalid: a subscription to no event at all\n"
                        "invalid: the administration: \"\" has no place in a URL\n");
}

/* --- answers -------------------------------------------------------------------------------- */

#define ENTRY(id, events, more)                                                                    \
    "{\"id\":" id ",\"administration_id\":123,\"url\":\"" URL "\",\"enabled_events\":" events      \
    ",\"token\":\"" TOKEN "\"" more "}"

static const struct {
    int http_status;
    const char *body, *expected;
} lists[] = {
    {200, "[]", "ok\n"},
    /* ids as text and as numbers that a double cannot hold; events in any order, twice */
    {200,
     "[" ENTRY("\"" ID "\"", "[\"b\",\"a\",\"b\"]",
               ",\"last_http_status\":null,\"last_http_body\":null,\"deactivated_at\":null") "]",
     "ok\n" ID " " URL ": a b\n"},
    {200, "[" ENTRY("9007199254740993", "[]", ",\"last_http_status\":200") "]",
     "ok\n9007199254740993 " URL " last=200\n"},
    /* the state of the endpoint, in every form */
    {200,
     "[" ENTRY("1", "[\"a\"]",
               ",\"last_http_status\":\"503\",\"deactivated_at\":\"2026-03-09T10:00:00."
               "000Z\"") "," ENTRY("2", "[\"a\"]",
                                   ",\"last_http_status\":\"soon\",\"deactivated_at\":"
                                   "\"2026-03-09 10:00:00 UTC\"") "," ENTRY("3", "[\"a\"]",
                                                                            ",\"last_"
                                                                            "http_"
                                                                            "status\":["
                                                                            "]") "]",
     "ok\n1 " URL " last=503 deactivated at=2026-03-09T10:00:00Z: a\n2 " URL
     " deactivated: a\n3 " URL ": a\n"},
    /* the old form: no events, some other list */
    {200, "[{\"id\":\"1\",\"url\":\"u\",\"events\":[\"x\"],\"enabled_events\":null}]", "ok\n1 u\n"},
    /* no array */
    {200, "{\"data\":[]}", "untrusted: the list is no array\n"},
    {200, "\"Retry later\"", "untrusted: the list is no array\n"},
    {200, "null", "untrusted: the list is no array\n"},
    /* odd entries */
    {200, "[7]", "untrusted: the list has an entry without id of digits\n"},
    {200, "[{\"id\":\"a1\",\"url\":\"u\"}]",
     "untrusted: the list has an entry without id of digits\n"},
    {200, "[{\"id\":1.5,\"url\":\"u\"}]",
     "untrusted: the list has an entry without id of digits\n"},
    {200, "[{\"id\":1,\"url\":null}]",
     "untrusted: the list has an entry without url that is a text\n"},
    {200, "[" ENTRY("1", "\"a\"", "") "]",
     "untrusted: the list has an entry without enabled_events that are a list\n"},
    {200, "[" ENTRY("1", "[1]", "") "]",
     "untrusted: the list has an entry without enabled_events that are names\n"},
    {200, "[{\"id\":1,\"url\":\"u\"},{\"id\":\"1\",\"url\":\"v\"}]",
     "untrusted: the list has one id with two callback URLs\n"},
    /* no JSON; what stands in it is not shown */
    {200, "<html>" TOKEN, "untrusted: the answer's body is no JSON, at byte 0 of 30\n"},
    {200, "[{\"token\":\"" TOKEN "\"",
     "untrusted: the answer's body is no JSON, at byte 36 of 36\n"},
    {200, "", "untrusted: the answer's body is empty\n"},
    /* errors */
    {401, "{\"error\":\"Authorization required\"}",
     "unauthorized: moneybird answered 401: {\"error\":\"Authorization required\"}\n"},
    {402, "", "refused: moneybird answered 402\n"},
    {403, "", "forbidden: moneybird answered 403\n"},
    {404, "{\"error\":\"record not found\",\"symbolic\":{\"id\":\"not_found\"}}",
     "refused: moneybird answered 404: {\"error\":\"record not "
     "found\",\"symbolic\":{\"id\":\"not_found\"}}\n"},
    {429, "\"Retry later\"", "retry-later: moneybird answered 429: \"Retry later\"\n"},
    {500, "", "retry-later: moneybird answered 500\n"},
};

static struct provider_answer answered(int http_status, const char *body)
{
    return (struct provider_answer){PROVIDER_ANSWERED, http_status, bytes_of_text(body)};
}

static void a_list_is_trusted_only_when_nothing_is_odd(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct listing l = {.trusted = false};
        api_text_begin(&t);
        struct provider_credentials c = api_text_credentials(&t, "moneybird", BASE, "123", NULL);
        struct provider_answer answer = answered(lists[i].http_status, lists[i].body);
        assert_int_equal(moneybird.api->read_list(&c, &answer, t.arena, &l), STATUS_OK);
        api_text_listing(&t, &l);
        assert_string_equal(buf_text(&t.text), lists[i].expected);
    }
}

static const struct {
    int http_status;
    const char *body, *expected;
} creates[] = {
    {201, ENTRY("\"" ID "\"", "[\"a\"]", ",\"secret\":\"" SECRET "\""),
     "ok\n" ID " " URL ": a secret=" SECRET " token=" TOKEN "\n"},
    {200, ENTRY(ID, "[\"a\"]", ",\"secret\":\"" SECRET "\""),
     "ok\n" ID " " URL ": a secret=" SECRET " token=" TOKEN "\n"},
    /* no token is no harm: the secret signs */
    {201, "{\"id\":1,\"url\":\"" URL "\",\"secret\":\"s\",\"token\":null}",
     "ok\n1 " URL " secret=s\n"},
    /* the token alone is known to everybody who may list */
    {201, ENTRY("1", "[\"a\"]", ",\"secret\":null"),
     "no-secret: the answer has no secret that can be used\n1 " URL ": a\n"},
    {201, "{\"id\":\"x\",\"url\":\"" URL "\",\"secret\":\"s\"}",
     "ambiguous: the answer has no id that is a text\n"},
    {201, "{\"id\":1,\"url\":\"https://elsewhere\",\"secret\":\"s\"}",
     "ambiguous: the answer's url is not the one that was sent\n"},
    {201, "[]", "ambiguous: the answer has no id that is a text\n"},
    {204, "", "ambiguous: moneybird answered 204\n"},
    {400, "{\"error\":\"Url is required\",\"symbolic\":{\"url\":\"required\"}}",
     "refused: moneybird answered 400: {\"error\":\"Url is "
     "required\",\"symbolic\":{\"url\":\"required\"}}\n"},
    {422, "", "refused: moneybird answered 422\n"},
    {500, "", "ambiguous: moneybird answered 500\n"},
};

static void a_create_is_a_success_only_with_our_url_and_a_secret(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(creates) / sizeof(creates[0]); i++) {
        CLEANUP(api_text_done) struct api_text t;
        CLEANUP(created_done) struct created created;
        api_text_begin(&t);
        struct provider_credentials c = api_text_credentials(&t, "moneybird", BASE, "123", NULL);
        struct provider_answer answer = answered(creates[i].http_status, creates[i].body);
        assert_int_equal(moneybird.api->read_create(&c, &answer, URL, t.arena, &created),
                         STATUS_OK);
        api_text_created(&t, &created);
        assert_string_equal(buf_text(&t.text), creates[i].expected);
    }
}

static void a_delete_and_an_activation_may_find_nothing(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    static const int statuses[] = {204, 200, 404, 500};
    api_text_begin(&t);
    struct provider_credentials c = api_text_credentials(&t, "moneybird", BASE, "123", NULL);
    for (size_t i = 0; i < 4; i++) {
        struct provider_outcome outcome;
        struct provider_answer answer = answered(statuses[i], "");
        moneybird.api->read_change(&c, &answer, &outcome);
        api_text_outcome(&t, &outcome);
    }
    assert_string_equal(buf_text(&t.text), "ok\nok\nnot-found: moneybird answered 404\n"
                                           "ambiguous: moneybird answered 500\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_native_account_is_one_subscription_with_the_names_of_its_events),
        cmocka_unit_test(all_means_the_unified_resources_and_the_end_of_the_token),
        cmocka_unit_test(requests_are_as_moneybird_documents_them),
        cmocka_unit_test(a_list_is_trusted_only_when_nothing_is_odd),
        cmocka_unit_test(a_create_is_a_success_only_with_our_url_and_a_secret),
        cmocka_unit_test(a_delete_and_an_activation_may_find_nothing),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
