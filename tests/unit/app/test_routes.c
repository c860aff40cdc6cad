#include "bridge/app/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bridge/app/static_routes.h"
#include "bridge/base/clock.h"
#include "bridge/base/crypto.h"
#include "bridge/domain/provider.h"
#include "bridge/registry/route_index.h"

#define KEY "a:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"

static const struct provider maesn = {.name = "maesn"};
static const struct provider *const providers[] = {&maesn, NULL};

struct test {
    struct keyring *keys;
    struct static_routes *declared;
    struct route_index *index;
    struct routes *routes;
};

static struct test test_new(bool with_registry)
{
    struct test t = {.keys = NULL};
    assert_int_equal(keyring_parse(BYTES_LITERAL(KEY), "keys", &t.keys, NULL), STATUS_OK);
    assert_int_equal(static_routes_new(&t.declared), STATUS_OK);
    if (with_registry)
        assert_int_equal(route_index_new(providers, t.keys, &t.index), STATUS_OK);
    assert_int_equal(routes_new(static_routes_registry(t.declared), t.index, &t.routes), STATUS_OK);
    return t;
}

static void test_end(struct test *t)
{
    routes_free(t->routes);
    route_index_free(t->index);
    static_routes_free(t->declared);
    keyring_unref(t->keys);
}

static void declare(struct test *t, const char *path)
{
    struct route *r = NULL;
    const struct route_fields fields = {.path = path,
                                        .provider = &maesn,
                                        .account = "acme-42",
                                        .system = "xero",
                                        .state = ROUTE_PENDING};
    assert_int_equal(route_new(&fields, &r), STATUS_OK);
    assert_int_equal(static_routes_replace(t->declared, &r, 1, NULL), STATUS_OK);
    route_unref(r);
}

/* A path of a generation so old, and its record. */
static const char *path_of_age(struct test *t, int64_t age_ms, struct route_record *ret)
{
    static char path[CALLBACK_URL_PATH_SIZE];
    *ret = (struct route_record){.system = "xero", .secret = "s", .state = ROUTE_ACTIVE};
    assert_true(specification_set(&ret->url.specification, "maesn", "acme-42", NULL, NULL));
    ret->url.generation_unix_ms = clock_unix_ms() - age_ms;
    assert_int_equal(callback_url_path(&ret->url, t->keys, path), STATUS_OK);
    return path;
}

static enum route_lookup look_up(struct test *t, const char *path, bool *ret_has_route)
{
    struct route *r = NULL;
    enum route_lookup lookup = registry_find(routes_registry(t->routes), path, &r);
    *ret_has_route = r != NULL;
    route_unref(r);
    return lookup;
}

static void without_a_registry_what_no_file_declares_is_unknown(void **state)
{
    (void)state;
    bool has_route;
    struct test t = test_new(false);
    declare(&t, "/in/maesn/acme-42/by-hand");
    assert_int_equal(look_up(&t, "/in/maesn/acme-42/by-hand", &has_route), ROUTE_FOUND);
    assert_int_equal(look_up(&t, "/in/another", &has_route), ROUTE_UNKNOWN);
    assert_false(has_route);
    test_end(&t);
}

static void until_the_registry_is_read_only_declared_routes_are_found(void **state)
{
    (void)state;
    bool has_route;
    struct route_record record;
    struct test t = test_new(true);
    declare(&t, "/in/maesn/acme-42/by-hand");
    const char *path = path_of_age(&t, 3600000, &record);
    assert_int_equal(route_index_apply(t.index, &record), STATUS_OK);
    assert_int_equal(look_up(&t, "/in/maesn/acme-42/by-hand", &has_route), ROUTE_FOUND);
    assert_int_equal(look_up(&t, "/in/another", &has_route), ROUTE_NOT_YET);
    assert_false(has_route);
    assert_int_equal(look_up(&t, path, &has_route), ROUTE_NOT_YET);
    assert_false(has_route); /* nothing unsigned is taken for a probe: it is old */
    route_index_set_caught_up(t.index);
    assert_int_equal(look_up(&t, path, &has_route), ROUTE_FOUND);
    assert_int_equal(look_up(&t, "/in/another", &has_route), ROUTE_UNKNOWN);
    test_end(&t);
}

static void only_a_pending_route_of_the_registry_is_awaited(void **state)
{
    (void)state;
    bool has_route;
    struct route_record record;
    struct test t = test_new(true);
    declare(&t, "/in/maesn/acme-42/by-hand"); /* pending too, but nobody brings its secret */
    route_index_set_caught_up(t.index);
    const char *path = path_of_age(&t, 1000, &record);
    assert_int_equal(look_up(&t, path, &has_route), ROUTE_NOT_YET);
    assert_true(has_route);
    record.state = ROUTE_PENDING;
    record.secret = NULL;
    assert_int_equal(route_index_apply(t.index, &record), STATUS_OK);
    assert_int_equal(look_up(&t, path, &has_route), ROUTE_AWAITED);
    assert_true(has_route);
    record.state = ROUTE_ACTIVE;
    record.secret = "s";
    assert_int_equal(route_index_apply(t.index, &record), STATUS_OK);
    assert_int_equal(look_up(&t, path, &has_route), ROUTE_FOUND);
    assert_int_equal(look_up(&t, "/in/maesn/acme-42/by-hand", &has_route), ROUTE_FOUND);
    test_end(&t);
}

int main(void)
{
    assert_int_equal(crypto_start(), STATUS_OK);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_registry_what_no_file_declares_is_unknown),
        cmocka_unit_test(until_the_registry_is_read_only_declared_routes_are_found),
        cmocka_unit_test(only_a_pending_route_of_the_registry_is_awaited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
