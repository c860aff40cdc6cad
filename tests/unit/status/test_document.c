#include "bridge/status/document.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

#include "bridge/base/scoped.h"

#define HOSTILE "a\"b\\c\n</script>\xff"

DEFINE_CLEANUP(json_t *, json_decref)

static const int64_t now = 1795293215000;

static json_t *print(const struct view *v)
{
    CLEANUP(buf_done) struct buf b;
    json_error_t error;
    buf_init(&b, 1 << 20);
    document_print(v, &b);
    assert_int_equal(b.status, STATUS_OK);
    json_t *root = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        fail_msg("%s in %s", error.text, buf_text(&b));
    return root;
}

static void a_view_is_one_document(void **state)
{
    static const struct view_step step = {"create", "it expires soon", HOSTILE, true, 0};
    static const struct view_subscription subscription = {
        "invoice", "created", SUBSCRIPTION_ACTIVE, now, now, 0, true, &step};
    static const struct view_account account = {.id = "acme-42",
                                                .condition = ACCOUNT_IS_DRIFTING,
                                                .differences = 1,
                                                .subscriptions = &subscription,
                                                .subscriptions_len = 1,
                                                .subscriptions_all = 1};
    static const struct view_accounts accounts = {
        .all = 7, .matching = 2, .items = &account, .items_len = 1};
    static const struct view_figure figures[] = {{.name = "a", .value = (double)NAN},
                                                 {.name = "b", .value = 2.5}};
    static const struct chart chart = {
        "c", "C", QUANTITY_SECONDS, {{"one", 0, false}, {"two", 1, false}}};
    struct history history = {.len = 0};
    history_add(&history, &(struct history_sample){1000, {0.5, (double)NAN}});
    const struct view v = {.process = "reconciler",
                           .host = HOSTILE,
                           .now_unix_ms = now,
                           .now_mono_ms = 6000,
                           .figures = figures,
                           .figures_len = 2,
                           .charts = &chart,
                           .charts_len = 1,
                           .history = &history,
                           .accounts = &accounts};
    (void)state;
    CLEANUP(json_decref_scoped) json_t *root = print(&v);
    int version = 0, total = 0, matching = 0;
    const char *host = NULL, *at = NULL, *account_id = NULL, *detail = NULL;
    json_t *unknown = NULL;
    double half = 0, figure = 0;
    assert_int_equal(
        json_unpack(root,
                    "{s:i, s:s, s:{s:{s:n}, s:{s:F}}, s:{s:[s], s:{s:{s:[{s:[F]},{s:[o]}]}}},"
                    " s:{s:i, s:i, s:[{s:s, s:[{s:{s:s}}]}]}}",
                    "version", &version, "host", &host, "figures", "a", "value", "b", "value",
                    &figure, "history", "at", &at, "charts", "c", "series", "values", &half,
                    "values", &unknown, "accounts", "total", &total, "matching", &matching, "items",
                    "account", &account_id, "subscriptions", "to_do", "detail", &detail),
        0);
    assert_int_equal(version, DOCUMENT_VERSION);
    assert_string_equal(host, "a\"b\\c\n</script>\xef\xbf\xbd");
    assert_string_equal(at, "2026-11-21T20:33:30Z"); /* five seconds ago */
    assert_true(half == 0.5 && figure == 2.5);
    assert_true(json_is_null(unknown)); /* what is not known is no 0 */
    assert_int_equal(total, 7);
    assert_int_equal(matching, 2);
    assert_string_equal(account_id, "acme-42");
    assert_string_equal(detail, "a\"b\\c\n</script>\xef\xbf\xbd");
}

static void what_cannot_be_asked_for_is_told(void **state)
{
    static const struct history history;
    const struct view v = {
        .process = "ingress", .faulty_query = "page: \"x\"", .history = &history};
    (void)state;
    CLEANUP(json_decref_scoped) json_t *root = print(&v);
    assert_string_equal(json_string_value(json_object_get(root, "error")), "page: \"x\"");
    assert_null(json_object_get(root, "accounts"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_is_one_document),
        cmocka_unit_test(what_cannot_be_asked_for_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
