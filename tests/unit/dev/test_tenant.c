#include "bridge/dev/tenant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

static const int64_t now_unix_ms = 1767323045678; /* 2026-01-02T03:04:05.678Z */

static const struct tenant *tenant_of(const char *account)
{
    for (size_t i = 0; i < tenants_len; i++)
        if (strcmp(tenants[i].account, account) == 0)
            return &tenants[i];
    return NULL;
}

static json_t *parse_body(const struct tenant *t, uint8_t filler, size_t *ret_events)
{
    uint8_t random[TENANT_RANDOM_SIZE];
    memset(random, filler, sizeof(random));
    struct buf b;
    buf_init(&b, 1024);
    *ret_events = tenant_write_body(t->system, random, now_unix_ms, &b);
    assert_int_equal(b.status, STATUS_OK);
    json_t *body = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(body);
    buf_done(&b);
    return body;
}

static void every_one_of_the_nine_systems_has_a_tenant(void **state)
{
    (void)state;
    static const char *const systems[] = {
        "businesscentral", "exact-nl",   "freshbooks", "lexware-office", "moneybird",
        "qonto",           "quickbooks", "weclapp",    "xero",
    };
    for (size_t s = 0; s < sizeof(systems) / sizeof(systems[0]); s++) {
        bool found = false;
        for (size_t i = 0; i < tenants_len; i++)
            found = found || strcmp(tenants[i].system->name, systems[s]) == 0;
        assert_true(found);
    }
}

static void an_event_looks_like_the_published_sample(void **state)
{
    (void)state;
    const uint8_t random[TENANT_RANDOM_SIZE] = {
        0,
        0x11,
        0x11,
        0x11,
        0x11,
        0x22,
        0x22,
        0x43,
        0x33,
        0x84,
        0x44,
        0x55,
        0x55,
        0x55,
        0x55,
        0x55,
        0x55,
        7 /* INVOICE */,
        1 /* UPDATED */,
    };
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(tenant_write_body(tenant_of("birch-bakery")->system, random, now_unix_ms, &b),
                     1);
    assert_string_equal(buf_text(&b),
                        "{\"eventType\":\"UPDATED\",\"filterDate\":\"2026-01-02T03:04:05Z\","
                        "\"resource\":\"INVOICE\","
                        "\"resourceId\":\"11111111-2222-4333-8444-555555555555\"}");
    buf_done(&b);
}

static void bodies_are_arrays_for_three_systems_and_objects_for_the_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < tenants_len; i++) {
        const char *system = tenants[i].system->name;
        bool array = strcmp(system, "businesscentral") == 0 || strcmp(system, "quickbooks") == 0 ||
                     strcmp(system, "xero") == 0;
        for (unsigned filler = 0; filler < 256; filler++) {
            size_t events;
            json_t *body = parse_body(&tenants[i], (uint8_t)filler, &events);
            assert_int_equal(json_is_array(body), array);
            assert_int_equal(events, array ? json_array_size(body) : 1);
            assert_in_range(events, 1, TENANT_EVENTS_MAX);
            json_decref(body);
        }
    }
}

static void xero_deletes_nothing_and_a_token_is_only_revoked(void **state)
{
    (void)state;
    size_t events;
    for (unsigned filler = 0; filler < 256; filler++) {
        json_t *xero = parse_body(tenant_of("acme-42"), (uint8_t)filler, &events);
        assert_string_not_equal(
            json_string_value(json_object_get(json_array_get(xero, 0), "eventType")), "DELETED");
        json_decref(xero);
        json_t *lexware = parse_body(tenant_of("delta-dental"), (uint8_t)filler, &events);
        bool token = strcmp(json_string_value(json_object_get(lexware, "resource")), "TOKEN") == 0;
        bool revoked =
            strcmp(json_string_value(json_object_get(lexware, "eventType")), "REVOKED") == 0;
        assert_int_equal(token, revoked);
        json_decref(lexware);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_one_of_the_nine_systems_has_a_tenant),
        cmocka_unit_test(an_event_looks_like_the_published_sample),
        cmocka_unit_test(bodies_are_arrays_for_three_systems_and_objects_for_the_others),
        cmocka_unit_test(xero_deletes_nothing_and_a_token_is_only_revoked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
