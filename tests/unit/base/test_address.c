#include "bridge/base/address.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void an_address_is_a_host_and_a_port(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080},
        {"localhost:0", "localhost", 0}, /* any free port */
        {":9090", "", 9090},             /* every address */
        {"[::1]:65535", "::1", 65535},
        {"[]:1", "", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address;
        assert_int_equal(address_parse(rows[i].text, &address, NULL), STATUS_OK);
        assert_string_equal(address.host, rows[i].host);
        assert_int_equal(address.port, rows[i].port);
    }
}

static void anything_else_is_refused_with_what_was_expected(void **state)
{
#define PORT ", expected host:port with a port of 0..65535"
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"", PORT},                        /* nothing */
        {"localhost", "localhost" PORT},   /* no port */
        {"localhost:", "localhost:" PORT}, /* an empty one */
        {"a:65536", "a:65536" PORT},       /* too high */
        {"a:100000", "a:100000" PORT},     /* too long */
        {"a:-1", "a:-1" PORT},             /* a sign */
        {"a:80x", "a:80x" PORT},           /* a letter */
        {"a: 80", "a: 80" PORT},           /* a space */
        {"[::1]", "[::1]" PORT},           /* brackets, but no port */
        {"::1:80", "::1:80, expected an IPv6 address in [brackets]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address = {.port = 7};
        struct diag diag = {0};
        assert_int_equal(address_parse(rows[i].text, &address, &diag), STATUS_INVALID);
        assert_string_equal(diag.text, rows[i].message);
        assert_int_equal(address.port, 7);
    }
}

static void a_host_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct address address;
    struct diag diag = {0};
    char text[300];
    memset(text, 'a', sizeof(text));
    memcpy(text + 256, ":1", 3);
    assert_int_equal(address_parse(text, &address, &diag), STATUS_INVALID);
    assert_string_equal(diag.text, "the host is longer than 255 characters");
    memcpy(text + 255, ":1", 3);
    assert_int_equal(address_parse(text, &address, NULL), STATUS_OK);
}

static int listen_on(const char *text, bool shared, uint16_t *ret_port)
{
    struct address address;
    int fd;
    assert_int_equal(address_parse(text, &address, NULL), STATUS_OK);
    assert_int_equal(address_listen(&address, shared, &fd, ret_port, NULL), STATUS_OK);
    return fd;
}

static void a_free_port_is_found_and_told(void **state)
{
    (void)state;
    uint16_t port = 0;
    int fd = listen_on("127.0.0.1:0", false, &port);
    struct sockaddr_in bound;
    socklen_t len = sizeof(bound);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
    assert_int_not_equal(port, 0);
    assert_int_equal(ntohs(bound.sin_port), port);
    assert_int_equal(ntohl(bound.sin_addr.s_addr), INADDR_LOOPBACK);
    close(fd);
}

static void only_shared_listeners_share_a_port(void **state)
{
    (void)state;
    uint16_t port, same_port;
    int first = listen_on("127.0.0.1:0", true, &port);
    struct address address = {.host = "127.0.0.1", .port = port};
    struct diag diag = {0};
    int second = -1;
    char message[128];
    snprintf(message, sizeof(message), "cannot listen on 127.0.0.1:%u: Address already in use",
             port);
    assert_int_equal(address_listen(&address, false, &second, &same_port, &diag),
                     STATUS_UNAVAILABLE);
    assert_string_equal(diag.text, message);
    assert_int_equal(second, -1);
    assert_int_equal(address_listen(&address, true, &second, &same_port, NULL), STATUS_OK);
    assert_int_equal(same_port, port);
    close(first);
    close(second);
}

/* Loopback of one family. */
static int connect_to(int family, uint16_t port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    int failed = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
                                   : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
    if (failed == 0)
        return fd;
    close(fd);
    return -1;
}

/* Whether this machine has an IPv6 loopback at all. */
static bool has_v6(void)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof(v6)) == 0;
    if (fd >= 0)
        close(fd);
    return bound;
}

static void every_address_is_of_both_families(void **state)
{
    (void)state;
    uint16_t port;
    int listener = listen_on(":0", false, &port);
    int v4 = connect_to(AF_INET, port), v6 = connect_to(AF_INET6, port);
    assert_true(v4 >= 0);
    assert_int_equal(v6 >= 0, has_v6());
    close(v4);
    if (v6 >= 0)
        close(v6);
    close(listener);
}

static void a_host_that_can_have_no_address_is_invalid(void **state)
{
    (void)state;
    struct address address = {0}; /* a label of 64 letters: refused before a name server is asked */
    memset(address.host, 'a', 64);
    struct diag diag = {0};
    int fd = -1;
    uint16_t port;
    assert_int_equal(address_listen(&address, false, &fd, &port, &diag), STATUS_INVALID);
    assert_memory_equal(diag.text, address.host, 64);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_a_host_and_a_port),
        cmocka_unit_test(anything_else_is_refused_with_what_was_expected),
        cmocka_unit_test(a_host_that_is_too_long_is_refused),
        cmocka_unit_test(a_free_port_is_found_and_told),
        cmocka_unit_test(only_shared_listeners_share_a_port),
        cmocka_unit_test(every_address_is_of_both_families),
        cmocka_unit_test(a_host_that_can_have_no_address_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
