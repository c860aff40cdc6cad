/* What an account behind Maesn is expanded into, and the requests that this becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"
#include "bridge/base/scoped.h"
#include "bridge/base/secret.h"
#include "bridge/domain/account.h"
#include "bridge/domain/integration_override.h"
#include "bridge/providers/maesn/maesn.h"
#include "tests/support/api_text.h"

#define SUBSCRIPTIONS_MAX 8
#define EVENTS_MAX_OF_TEST 8

/* An account made of "RESOURCE:EVENT+EVENT RESOURCE ...", or "all". */
struct declared {
    struct account account;
    char text[1024];
    struct account_subscription subscriptions[SUBSCRIPTIONS_MAX];
    const char *events[SUBSCRIPTIONS_MAX][EVENTS_MAX_OF_TEST];
};

static void declare_subscription(struct declared *d, char *text)
{
    size_t n = d->account.subscriptions_len++;
    assert_true(n < SUBSCRIPTIONS_MAX);
    d->subscriptions[n].resource = strsep(&text, ":");
    d->subscriptions[n].events = d->events[n];
    for (char *event; (event = strsep(&text, "+")) != NULL;) {
        assert_true(d->subscriptions[n].events_len < EVENTS_MAX_OF_TEST);
        d->events[n][d->subscriptions[n].events_len++] = event;
    }
}

static void declare(struct declared *d, const char *system, const char *company_id,
                    const char *environment_name, const char *subscriptions)
{
    *d = (struct declared){.account = {.id = "acme-42",
                                       .provider = &maesn,
                                       .system = system,
                                       .company_id = company_id,
                                       .environment_name = environment_name,
                                       .subscriptions = d->subscriptions}};
    snprintf(d->text, sizeof(d->text), "%s", subscriptions);
    char *rest = d->text;
    d->account.wants_all = strcmp(subscriptions, "all") == 0;
    for (char *one; !d->account.wants_all && (one = strsep(&rest, " ")) != NULL;)
        if (*one != '\0')
            declare_subscription(d, one);
}

static const char *const weclapp_resources[] = {"INVOICE", "ARTICLE"};
static const char *const sage_resources[] = {"JOURNAL_ENTRY"};
static const char *const sage_events[] = {"CREATED", "UPDATED"};
static struct integration_override override_items[] = {
    {.system = "weclapp",
     .resource = REQUIREMENT_REQUIRED,
     .event_type = REQUIREMENT_REQUIRED,
     .company_id = REQUIREMENT_REQUIRED,
     .resources = (const char **)weclapp_resources,
     .resources_len = 2},
    {.system = "sage",
     .resources = (const char **)sage_resources,
     .resources_len = 1,
     .events = (const char **)sage_events,
     .events_len = 2},
    {.system = "datev"},
    {.system = "odoo", .resource = REQUIREMENT_REQUIRED, .event_type = REQUIREMENT_REQUIRED},
};
static const struct integration_overrides no_overrides = {NULL, 0};
static const struct integration_overrides overrides = {override_items, 4};

/* --- requests ------------------------------------------------------------------------------- */

#define HEADERS                                                                                    \
    " | X-API-KEY: api-key-of-the-tenant | X-ACCOUNT-KEY: account-key-of-acme | Accept: "          \
    "application/json"

static const struct everything {
    const char *system, *company_id, *environment_name;
    const char *query;
    const char *pairs; /* "RESOURCE EVENT\n" each, "-" for what is not sent, sorted */
} everything[] = {
    /* the environment and the company, no event */
    {"businesscentral", "1 & Co", "Production",
     "?companyId=1%20%26%20Co&environmentName=Production",
     "ACCOUNT -\nCREDIT_NOTE -\nCUSTOMER -\nDIMENSION -\nEXPENSE -\nINVOICE -\nITEM -\n"
     "JOURNAL_ENTRY -\nOFFER -\nSALES_ORDER -\nSUPPLIER -\n"},
    /* the company, no event */
    {"exact-nl", "123", NULL, "?companyId=123",
     "ACCOUNT -\nBANK_ACCOUNT -\nBILL -\nCONTACT -\nEXPENSE -\nINVOICE -\nJOURNAL_ENTRY -\n"
     "PAYMENT -\n"},
    /* everything is required */
    {"freshbooks", "xY1", NULL, "?companyId=xY1",
     "ACCOUNT CREATED\nACCOUNT DELETED\nACCOUNT UPDATED\nCREDIT_NOTE CREATED\n"
     "CREDIT_NOTE DELETED\nCREDIT_NOTE UPDATED\nCUSTOMER CREATED\nCUSTOMER DELETED\n"
     "CUSTOMER UPDATED\nINVOICE CREATED\nINVOICE DELETED\nINVOICE UPDATED\nITEM CREATED\n"
     "ITEM DELETED\nITEM UPDATED\nPAYMENT CREATED\nPAYMENT DELETED\nPAYMENT UPDATED\n"
     "SUPPLIER CREATED\nSUPPLIER DELETED\nSUPPLIER UPDATED\nTAX_RATE CREATED\n"
     "TAX_RATE DELETED\nTAX_RATE UPDATED\n"},
    /* TOKEN with REVOKED, and neither with anything else */
    {"lexware-office", NULL, NULL, "",
     "CUSTOMER CREATED\nCUSTOMER DELETED\nCUSTOMER UPDATED\nINVOICE CREATED\nINVOICE DELETED\n"
     "INVOICE UPDATED\nITEM CREATED\nITEM DELETED\nITEM UPDATED\nPAYMENT CREATED\n"
     "PAYMENT DELETED\nPAYMENT UPDATED\nSUPPLIER CREATED\nSUPPLIER DELETED\nSUPPLIER UPDATED\n"
     "TOKEN REVOKED\n"},
    /* the company is the administration */
    {"moneybird", "123456789012345678", NULL, "?companyId=123456789012345678",
     "CONTACT CREATED\nCONTACT DELETED\nCONTACT UPDATED\nINVOICE CREATED\nINVOICE DELETED\n"
     "INVOICE UPDATED\nPAYMENT CREATED\nPAYMENT DELETED\nPAYMENT UPDATED\nTAX_RATE CREATED\n"
     "TAX_RATE DELETED\nTAX_RATE UPDATED\n"},
    {"qonto", NULL, NULL, "", "INVOICE -\n"},
    /* these choose by themselves */
    {"quickbooks", NULL, NULL, "", "- -\n"},
    {"weclapp", NULL, NULL, "", "- -\n"},
    {"xero", NULL, NULL, "", "- -\n"},
};

#define CALLBACK_URL "https://hooks.example.com/in/maesn/acme-42/x/y/1795293215356-k7q"

/* Appends the request that Maesn's documents ask for. */
static void append_expected(struct buf *b, const struct everything *row, char *pair)
{
    const char *resource = strsep(&pair, " "), *event = pair;
    buf_printf(b,
               "POST https://api.maesn.dev/webhooks%s" HEADERS
               " | Content-Type: application/json | {\"callbackUrl\":\"" CALLBACK_URL "\"",
               row->query);
    if (strcmp(event, "-") != 0)
        buf_printf(b, ",\"eventType\":\"%s\"", event);
    if (strcmp(resource, "-") != 0)
        buf_printf(b, ",\"resource\":\"%s\"", resource);
    buf_append_text(b, "}\n");
}

static void every_system_gets_exactly_the_requests_that_maesn_documents(void **state)
{
    (void)state;
    assert_int_equal(sizeof(everything) / sizeof(everything[0]), 9);
    for (size_t i = 0; i < 9; i++) {
        const struct everything *row = &everything[i];
        CLEANUP(api_text_done) struct api_text t;
        CLEANUP(buf_done) struct buf expected;
        struct declared d;
        struct expansion e;
        api_text_begin(&t);
        buf_init(&expected, 1 << 20);
        declare(&d, row->system, row->company_id, row->environment_name, "all");
        assert_int_equal(maesn.api->expand(&d.account, &no_overrides, t.arena, &e), STATUS_OK);
        assert_int_equal(e.problems_len, 0);
        struct provider_credentials c = api_text_credentials(&t, "maesn", "https://api.maesn.dev",
                                                             e.company_id, e.environment_name);
        for (size_t n = 0; n < e.wanted_len; n++) {
            struct provider_request r;
            struct diag diag = {""};
            enum status status =
                maesn.api->create(&c, &e.wanted[n], CALLBACK_URL, t.arena, &r, &diag);
            api_text_request(&t, status, &r, &diag);
        }
        char pairs[1024], *rest = pairs;
        snprintf(pairs, sizeof(pairs), "%s", row->pairs);
        for (char *pair; (pair = strsep(&rest, "\n")) != NULL;)
            if (*pair != '\0')
                append_expected(&expected, row, pair);
        assert_string_equal(buf_text(&t.text), buf_text(&expected));
    }
}

/* A list, its second page, a delete, an id that must be escaped. */
static void lists_and_deletes_carry_the_company_and_both_keys(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    struct provider_request r;
    struct diag diag = {""};
    api_text_begin(&t);
    struct provider_credentials c =
        api_text_credentials(&t, "maesn", "http://127.0.0.1:8/base", "1", "Pröd/?");
    struct provider_credentials none = api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
    api_text_request(&t, maesn.api->list(&c, 1, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, maesn.api->list(&c, 2, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, maesn.api->list(&none, 1, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, maesn.api->list(&none, 12, t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, maesn.api->delete (&c, "0b7c-1", t.arena, &r, &diag), &r, &diag);
    api_text_request(&t, maesn.api->delete (&none, "a/../b c", t.arena, &r, &diag), &r, &diag);
    assert_string_equal(
        buf_text(&t.text),
        "GET http://127.0.0.1:8/base/webhooks?companyId=1&environmentName=Pr%C3%B6d%2F%3F" HEADERS
        "\n"
        "GET http://127.0.0.1:8/base/webhooks?companyId=1&environmentName=Pr%C3%B6d%2F%3F"
        "&page=2" HEADERS "\n"
        "GET https://a.b/webhooks" HEADERS "\n"
        "GET https://a.b/webhooks?page=12" HEADERS "\n"
        "DELETE http://127.0.0.1:8/base/webhooks/0b7c-1?companyId=1"
        "&environmentName=Pr%C3%B6d%2F%3F" HEADERS "\n"
        "DELETE https://a.b/webhooks/a%2F..%2Fb%20c" HEADERS "\n");
    assert_null(maesn.api->activate);
}

/* A client takes dot segments away: DELETE /webhooks/.. would be a DELETE of something else. */
static void an_id_that_would_change_the_path_is_refused(void **state)
{
    (void)state;
    static const char *const ids[] = {"", ".", ".."};
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct provider_request r;
        struct diag diag = {""};
        char expected[128];
        api_text_begin(&t);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        api_text_request(&t, maesn.api->delete (&c, ids[i], t.arena, &r, &diag), &r, &diag);
        snprintf(expected, sizeof(expected),
                 "invalid: the subscription's id: \"%s\" has no place in a URL\n", ids[i]);
        assert_string_equal(buf_text(&t.text), expected);
    }
}

static void a_key_with_a_line_break_starts_no_header_of_its_own(void **state)
{
    (void)state;
    static const struct bytes keys[] = {BYTES_LITERAL("key\r\nX-Evil: 1"), BYTES_LITERAL("key\n"),
                                        BYTES_LITERAL("k\0y"), BYTES_LITERAL("k\x7fy")};
    for (size_t i = 0; i < 4; i++) {
        CLEANUP(api_text_done) struct api_text t;
        struct provider_request r;
        struct diag diag = {""};
        api_text_begin(&t);
        secret_unref(t.account_key);
        assert_int_equal(secret_new(keys[i], &t.account_key, NULL), STATUS_OK);
        struct provider_credentials c =
            api_text_credentials(&t, "maesn", "https://a.b", NULL, NULL);
        api_text_request(&t, maesn.api->list(&c, 1, t.arena, &r, &diag), &r, &diag);
        assert_string_equal(buf_text(&t.text), "invalid: the key for X-ACCOUNT-KEY holds a control "
                                               "character, expected one line of text\n");
    }
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    CLEANUP(api_text_done) struct api_text t;
    struct provider_request r;
    struct diag diag = {""};
    api_text_begin(&t);
    char *company = arena_alloc(t.arena, 1026);
    memset(company, 'x', 1025);
    company[1025] = '\0';
    struct provider_credentials c = api_text_credentials(&t, "maesn", "https://a.b", company, NULL);
    api_text_request(&t, maesn.api->list(&c, 1, t.arena, &r, &diag), &r, &diag);
    assert_string_equal(buf_text(&t.text), "invalid: companyId is longer than 1024 bytes\n");
}

/* --- expansion ------------------------------------------------------------------------------ */

static const struct expansion_row {
    const char *system, *company_id, *environment_name, *subscriptions;
    bool is_overridden;
    const char *expected;
} expansions[] = {
    /* nothing is wanted */
    {"xero", NULL, NULL, "", false, ""},
    /* a resource without events has all of its system, in any case of letters */
    {"freshbooks", "1", NULL, "invoice", false,
     "invoice/created\ninvoice/deleted\ninvoice/updated\n"},
    /* some events */
    {"freshbooks", "1", NULL, "INVOICE:UPDATED+created TAX_RATE:DELETED", false,
     "invoice/created\ninvoice/updated\ntax-rate/deleted\n"},
    /* a system that is told no events */
    {"exact-nl", "1", NULL, "JOURNAL_ENTRY CONTACT", false, "contact/all\njournal-entry/all\n"},
    {"exact-nl", "1", NULL, "INVOICE:CREATED", false,
     "error events[0.0]: CREATED, expected it left out: a subscription to exact-nl names no event, "
     "and is for all\n"},
    /* a system that takes no resource either */
    {"xero", NULL, NULL, "INVOICE", false,
     "error resource[0.0]: INVOICE, expected \"subscriptions: all\": one subscription to xero is "
     "for everything, and names no resource\n"},
    /* one that may be told either */
    {"weclapp", NULL, NULL, "SALES_ORDER CUSTOMER:UPDATED", false,
     "customer/updated\nsales-order/created\nsales-order/deleted\nsales-order/updated\n"},
    /* what is wrong does not hide what is right */
    {"qonto", NULL, NULL, "PAYMENT INVOICE", false,
     "invoice/all\nerror resource[0.0]: PAYMENT, expected one of INVOICE\n"},
    {"lexware-office", NULL, NULL, "INVOICES ITEM:CREATE+DELETED", false,
     "item/deleted\n"
     "error resource[0.0]: INVOICES, expected one of CUSTOMER, INVOICE, ITEM, PAYMENT, SUPPLIER, "
     "TOKEN (did you mean \"INVOICE\"?)\n"
     "error events[1.0]: CREATE, expected one of CREATED, DELETED, REVOKED, UPDATED (did you mean "
     "\"CREATED\"?)\n"},
    /* "-" for "_" is a slip */
    {"exact-nl", "1", NULL, "journal-entry", false,
     "error resource[0.0]: journal-entry, expected one of ACCOUNT, BANK_ACCOUNT, BILL, CONTACT, "
     "EXPENSE, INVOICE, JOURNAL_ENTRY, PAYMENT (did you mean \"JOURNAL_ENTRY\"?)\n"},
    /* TOKEN and REVOKED belong together */
    {"lexware-office", NULL, NULL, "TOKEN", false, "token/revoked\n"},
    {"lexware-office", NULL, NULL, "TOKEN:REVOKED+CREATED INVOICE:REVOKED", false,
     "token/revoked\n"
     "error events[0.1]: CREATED of TOKEN, expected REVOKED, which is all that happens to a TOKEN\n"
     "error events[1.0]: REVOKED of INVOICE, expected another event: only a TOKEN is REVOKED\n"},
    /* twice is once */
    {"freshbooks", "1", NULL, "ITEM:CREATED+CREATED Item:CREATED", false,
     "item/created\nwarning events[0.1]: CREATED of ITEM is said twice\n"
     "warning events[1.0]: CREATED of ITEM is said twice\n"},
    {"qonto", NULL, NULL, "INVOICE invoice", false,
     "invoice/all\nwarning resource[1.0]: INVOICE is said twice\n"},
    /* a company that must be there */
    {"freshbooks", NULL, NULL, "ITEM:CREATED", false,
     "item/created\nerror company_id[0.0]: missing, freshbooks cannot do without\n"},
    /* one that may have to be there */
    {"businesscentral", NULL, NULL, "ITEM", false,
     "item/all\n"
     "warning company_id[0.0]: missing, businesscentral needs it unless the end user has chosen "
     "one\n"
     "warning environment_name[0.0]: missing, businesscentral needs it unless the end user has "
     "chosen one\n"},
    /* what is not needed is not sent */
    {"xero", "1", "Production", "all", false,
     "all/all\nwarning company_id[0.0]: 1 is not sent: xero takes none\n"
     "warning environment_name[0.0]: Production is not sent: xero takes none\n"},
    /* the operator's table: rules, resources, a company; events stay as they were */
    {"weclapp", "1", NULL, "all", true,
     "article/created\narticle/deleted\narticle/updated\ninvoice/created\ninvoice/deleted\n"
     "invoice/updated\n"},
    {"weclapp", NULL, NULL, "CUSTOMER", true,
     "error company_id[0.0]: missing, weclapp cannot do without\n"
     "error resource[0.0]: CUSTOMER, expected one of INVOICE, ARTICLE\n"},
    /* a system that is not in the table */
    {"sage", "1", "e", "all", true, "journal-entry/created\njournal-entry/updated\n"},
    {"sage", NULL, NULL, "all", false,
     "error system[0.0]: sage, expected a system that maesn knows\n"},
    {"sage", NULL, NULL, "all", true, "journal-entry/created\njournal-entry/updated\n"},
    {"datev", "1", "e", "all", true, "all/all\n"},
    /* rules that nothing can satisfy */
    {"odoo", "1", "e", "all", true,
     "error system[0.0]: odoo must name a resource, and maesn.integrations lists none\n"
     "error system[0.0]: odoo must name an event, and maesn.integrations lists none\n"},
};

static void a_declaration_becomes_subscriptions_or_reasons(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(expansions) / sizeof(expansions[0]); i++) {
        const struct expansion_row *row = &expansions[i];
        CLEANUP(api_text_done) struct api_text t;
        struct declared d;
        struct expansion e;
        api_text_begin(&t);
        declare(&d, row->system, row->company_id, row->environment_name, row->subscriptions);
        assert_int_equal(maesn.api->expand(&d.account,
                                           row->is_overridden ? &overrides : &no_overrides, t.arena,
                                           &e),
                         STATUS_OK);
        api_text_expansion(&t, &e);
        assert_string_equal(buf_text(&t.text), row->expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_system_gets_exactly_the_requests_that_maesn_documents),
        cmocka_unit_test(lists_and_deletes_carry_the_company_and_both_keys),
        cmocka_unit_test(an_id_that_would_change_the_path_is_refused),
        cmocka_unit_test(a_key_with_a_line_break_starts_no_header_of_its_own),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(a_declaration_becomes_subscriptions_or_reasons),
    };
    return crypto_start() == STATUS_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
