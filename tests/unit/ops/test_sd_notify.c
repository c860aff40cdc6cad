#include "bridge/ops/sd_notify.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"

struct manager {
    int fd;
    char path[64]; /* "": the abstract namespace */
};

/* Listens where systemd would, and says so in the environment. */
static void manager_bind(struct manager *m, bool abstract)
{
    static int number;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof(name), "%s-%d-%d", abstract ? "@bridge-test" : "/tmp/bridge-test",
             (int)getpid(), number++);
    setenv("NOTIFY_SOCKET", name, 1);
    snprintf(m->path, sizeof(m->path), "%s", abstract ? "" : name);
    memcpy(address.sun_path, name, strlen(name));
    if (abstract)
        address.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(m->fd >= 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract);
    assert_int_equal(bind(m->fd, (struct sockaddr *)&address, len), 0);
}

static int make(void **state)
{
    static struct manager m;
    manager_bind(&m, false);
    *state = &m;
    return 0;
}

static int discard(void **state)
{
    struct manager *m = *state;
    close(m->fd);
    if (m->path[0] != '\0')
        unlink(m->path);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return 0;
}

/* The next datagram, "" when there is none: a local one is there once it was sent. */
static const char *received(struct manager *m)
{
    static char text[512];
    ssize_t len = recv(m->fd, text, sizeof(text) - 1, 0);
    text[len < 0 ? 0 : len] = '\0';
    return text;
}

static void each_state_is_one_datagram(void **state)
{
    struct manager *m = *state;
    sd_notify_ready();
    assert_string_equal(received(m), "READY=1");
    sd_notify_watchdog();
    assert_string_equal(received(m), "WATCHDOG=1");
    sd_notify_stopping(30000);
    assert_string_equal(received(m), "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000");
    sd_notify_status("%d routes", 3);
    assert_string_equal(received(m), "STATUS=3 routes");
    assert_string_equal(received(m), "");
}

static void a_reload_tells_its_beginning(void **state)
{
    int64_t before = clock_mono_us(), told = 0;
    sd_notify_reloading();
    assert_int_equal(sscanf(received(*state), "RELOADING=1\nMONOTONIC_USEC=%" SCNd64, &told), 1);
    assert_true(before <= told && told <= clock_mono_us());
}

static void a_status_cannot_smuggle_another_assignment(void **state)
{
    sd_notify_status("broken\nREADY=1");
    assert_string_equal(received(*state), "STATUS=broken READY=1");
}

static void an_abstract_socket_is_understood(void **state)
{
    (void)state;
    struct manager abstract;
    manager_bind(&abstract, true);
    sd_notify_ready();
    assert_string_equal(received(&abstract), "READY=1");
    close(abstract.fd);
}

static void without_a_manager_nothing_happens(void **state)
{
    static const char *const rows[] = {
        "",             /* set to nothing */
        "relative",     /* no path */
        "/nonexistent", /* nobody listens */
        /* too long for an address */
        "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aa"
        "aaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    unsetenv("NOTIFY_SOCKET");
    sd_notify_ready();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        setenv("NOTIFY_SOCKET", rows[i], 1);
        sd_notify_ready();
    }
    assert_string_equal(received(*state), "");
}

static void the_watchdog_interval_is_only_ours(void **state)
{
    char own[16];
    snprintf(own, sizeof(own), "%d", (int)getpid());
    const struct {
        const char *usec, *pid;
        int64_t interval_ms;
    } rows[] = {
        {NULL, NULL, 0},                  /* none is set */
        {"30000000", NULL, 30000},        /* for whoever reads it */
        {"30000000", own, 30000},         /* for us */
        {"30000000", "1", 0},             /* for another process */
        {"30s", own, 0},                  /* no number */
        {"99999999999999999999", own, 0}, /* no number of 64 bits */
        {"", own, 0},                     /* set to nothing */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (rows[i].usec != NULL)
            setenv("WATCHDOG_USEC", rows[i].usec, 1);
        if (rows[i].pid != NULL)
            setenv("WATCHDOG_PID", rows[i].pid, 1);
        assert_int_equal(sd_notify_watchdog_ms(), rows[i].interval_ms);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_state_is_one_datagram),
        TEST(a_reload_tells_its_beginning),
        TEST(a_status_cannot_smuggle_another_assignment),
        TEST(an_abstract_socket_is_understood),
        TEST(without_a_manager_nothing_happens),
        TEST(the_watchdog_interval_is_only_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
