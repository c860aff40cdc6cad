#include "bridge/ops/host.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void only_names_that_no_stranger_can_have_are_local(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool is_local;
    } rows[] = {
        {NULL, true}, /* HTTP/1.0 */
        {"", true},
        {"localhost", true},
        {"localhost:9090", true},
        {"LOCALHOST.:9090", true},
        {"bridge.localhost:9090", true},
        {"127.0.0.1:9090", true},
        {"10.2.3.4", true}, /* a kubelet's probe */
        {"[::1]:9090", true},
        {"ingress:9090", true}, /* a service of compose, a short name */
        {"evil.example", false},
        {"evil.example:9090", false},
        {"evil.example.", false},
        {"notlocalhost.example", false},
        {"localhost.evil.example", false},
        {"evillocalhost.example:1", false},
        {"127.0.0.1.evil.example", false},
        {"127.1", false}, /* browsers write all four */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (host_is_local(rows[i].host) != rows[i].is_local)
            fail_msg("%s", rows[i].host);
    char name[300];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_false(host_is_local(name));
}

static void loopback_is_told_from_other_interfaces(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *address;
        bool is_loopback;
    } rows[] = {
        {AF_INET, "127.0.0.1", true},         {AF_INET, "127.0.1.1", true},
        {AF_INET, "10.0.0.1", false},         {AF_INET6, "::1", true},
        {AF_INET6, "::ffff:127.0.0.1", true}, {AF_INET6, "::ffff:10.0.0.1", false},
        {AF_INET6, "fd00::1", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sockaddr_storage address = {.ss_family = (sa_family_t)rows[i].family};
        void *at = rows[i].family == AF_INET
                       ? (void *)&((struct sockaddr_in *)&address)->sin_addr
                       : (void *)&((struct sockaddr_in6 *)&address)->sin6_addr;
        assert_int_equal(inet_pton(rows[i].family, rows[i].address, at), 1);
        if (host_address_is_loopback(&address) != rows[i].is_loopback)
            fail_msg("%s", rows[i].address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_names_that_no_stranger_can_have_are_local),
        cmocka_unit_test(loopback_is_told_from_other_interfaces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
