#include "bridge/httpclient/base_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_base_url_is_a_place_that_paths_are_added_to(void **state)
{
    static const struct {
        const char *base;
        bool is_plain;
    } rows[] = {
        {"https://api.maesn.dev", true},
        {"https://moneybird.com/api/v2", true},
        {"http://127.0.0.1:8080", true},
        {"http://[::1]:8080/x", true},
        {"", false},
        {"https://", false},
        {"https:///path", false},
        {"https://host/", false},       /* trailing slash */
        {"https://host/a/../b", false}, /* another place than it looks */
        {"https://user@host", false},   /* credentials */
        {"https://user:"
         "pw@host",
         false},
        {"https://host?x=1", false},
        {"https://host#x", false},
        {"https://ho st", false},
        {"https://host\r\nX: y", false},
        {"https://host:99999", false}, /* no port */
        {"ftp://host", false},
        {"file:///etc/passwd", false},
        {"host", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (base_url_is_plain(rows[i].base) != rows[i].is_plain)
            fail_msg("%s", rows[i].base);
}

static void only_what_is_below_the_base_is_covered(void **state)
{
    static const struct {
        const char *url;
        bool is_covered;
    } rows[] = {
        {"https://api.example/v2", true},
        {"https://api.example/v2/webhooks", true},
        {"https://api.example/v2/webhooks?companyId=1&environmentName=a%20b", true},
        {"https://api.example/v2?x=/../y", true},  /* a query is no path */
        {"https://api.example/v2/a..b/...", true}, /* dots inside a name */
        {"https://api.example/v", false},
        {"https://api.example/v22", false}, /* another path that begins alike */
        {"https://api.example/v2.evil.example", false},
        {"https://api.example/v2@evil.example/", false}, /* what is before @ would be a user */
        {"https://api.example.evil.example/v2", false},
        {"http://api.example/v2/x", false},  /* another scheme */
        {"HTTPS://api.example/v2/x", false}, /* compared letter by letter */
        {"https://api.example/v2/../admin", false},
        {"https://api.example/v2/./x", false},
        {"https://api.example/v2/..", false},
        {"https://api.example/v2/..?x", false},
        {"https://api.example/v2/%2e%2E/admin", false},
        {"https://api.example/v2/.%2e/admin", false},
        {"https://api.example/v2/x/%2e", false},
        {"https://api.example/v2/a#b", false},  /* never sent */
        {"https://api.example/v2/a\\b", false}, /* a slash to some */
        {"https://api.example/v2/a b", false},
        {"https://api.example/v2/a\r\nX: y", false}, /* another header */
        {"https://api.example/v2/\xc3\xa4", false},
        {"https://api.example/v2/\x7f", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (base_url_covers("https://api.example/v2", rows[i].url) != rows[i].is_covered)
            fail_msg("%s", rows[i].url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_base_url_is_a_place_that_paths_are_added_to),
        cmocka_unit_test(only_what_is_below_the_base_is_covered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
