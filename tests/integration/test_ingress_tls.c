/* The ingress over TLS on loopback: certificates made here, replaced while it runs, and asked of
 * clients. */
#include "tests/integration/ingress_fixture.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/tls_client.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define SIGNED "POST " ACTIVE_PATH " HTTP/1.1\r\nHost: bridge\r\n" SIGNATURE_LINE
#define REQUEST SIGNED "Content-Length: 22\r\n\r\n" BODY

struct tls_fixture {
    struct ingress_fixture plain;
    struct tls_files files;
    struct tls_identity server, other;
};

static struct tls_fixture f;

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* --- the fixture ----------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    ingress_fixture_init(&f.plain);
    tls_files_make(&f.files);
    f.server = tls_identity_make("server");
    f.other = tls_identity_make("other");
    tls_files_write_server(&f.files, &f.server);
    tls_identity_write_certificate(f.files.client_ca, &f.other);
    f.plain.opt.tls = (struct ingress_tls_options){f.files.certificate, f.files.key, ""};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingress_fixture_done(&f.plain);
    tls_identity_done(&f.server);
    tls_identity_done(&f.other);
    tls_files_remove(&f.files);
    return 0;
}

/* --- a client -------------------------------------------------------------------------------- */

static unsigned tls_post(const char *priorities, const struct tls_identity *own)
{
    struct tls_client c = tls_connect(f.plain.port, priorities, own);
    unsigned code = tls_exchange(&c, REQUEST, sizeof(REQUEST) - 1);
    tls_close(&c);
    return code;
}

/* --- the tests ------------------------------------------------------------------------------- */

static const char any[] = "NORMAL";

static void a_callback_over_tls_arrives_and_plain_http_does_not(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    struct tls_client c = tls_connect(f.plain.port, any, NULL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(tls_exchange(&c, REQUEST, sizeof(REQUEST) - 1), 200);
    tls_close(&c);
    assert_int_equal(client_exchange(f.plain.port, REQUEST, sizeof(REQUEST) - 1).code, 0);
    assert_int_equal(f.plain.sink.taken, 3);
}

static void tls_1_2_and_1_3_are_spoken_and_nothing_older(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    assert_int_equal(tls_post("NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL), 200);
    assert_int_equal(tls_post("NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL), 200);
    assert_int_equal(tls_post("NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL), 0);
    assert_int_equal(tls_post("NORMAL:-VERS-ALL:+VERS-TLS1.0", NULL), 0);
}

static void a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on(void **state)
{
    (void)state;
    struct diag diag = {0};
    ingress_fixture_start(&f.plain);
    struct tls_client before = tls_connect(f.plain.port, any, NULL);
    assert_true(tls_shows(&before, &f.server));
    /* the files as they are: nothing changes */
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &diag), STATUS_OK);
    tls_files_write_server(&f.files, &f.other);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &diag), STATUS_OK);
    struct tls_client after = tls_connect(f.plain.port, any, NULL);
    assert_true(tls_shows(&after, &f.other));
    assert_int_equal(tls_exchange(&before, REQUEST, sizeof(REQUEST) - 1), 200);
    assert_int_equal(tls_exchange(&after, REQUEST, sizeof(REQUEST) - 1), 200);
    tls_close(&before);
    tls_close(&after);
}

static void a_broken_reload_names_the_file_and_changes_nothing(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    struct diag mismatch = {0}, garbage = {0}, missing = {0};
    tls_identity_write_key(f.files.key, &f.other);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &mismatch), STATUS_INVALID);
    assert_non_null(strstr(mismatch.text, "tls.key: not the key of the certificate in"));
    write_file(f.files.certificate, "no PEM", 6);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &garbage), STATUS_INVALID);
    assert_non_null(strstr(garbage.text, "tls.crt"));
    unlink(f.files.certificate);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &missing), STATUS_INVALID);
    assert_non_null(strstr(missing.text, "tls.crt"));
    struct tls_client c = tls_connect(f.plain.port, any, NULL);
    assert_true(tls_shows(&c, &f.server));
    assert_int_equal(tls_exchange(&c, REQUEST, sizeof(REQUEST) - 1), 200);
    tls_close(&c);
}

static void a_client_without_the_right_certificate_never_reaches_http(void **state)
{
    (void)state;
    struct diag diag = {0};
    f.plain.opt.tls.client_ca_file = f.files.client_ca;
    ingress_fixture_start(&f.plain);
    const char *versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tls_post(versions[i], NULL), 0);
        assert_int_equal(tls_post(versions[i], &f.server), 0);
        assert_int_equal(tls_post(versions[i], &f.other), 200);
    }
    /* The authorities are read again, too. */
    tls_identity_write_certificate(f.files.client_ca, &f.server);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &diag), STATUS_OK);
    assert_int_equal(tls_post(any, &f.other), 0);
    assert_int_equal(tls_post(any, &f.server), 200);
    assert_int_equal(f.plain.sink.taken, 3);
}

static void a_chunked_body_over_the_cap_is_answered_413_over_tls_too(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    static char request[70000];
    int len = snprintf(request, sizeof(request),
                       SIGNED "Transfer-Encoding: chunked\r\n\r\n%x\r\n%066000d", 66000, 0);
    struct tls_client c = tls_connect(f.plain.port, any, NULL);
    assert_int_equal(tls_exchange(&c, request, (size_t)len), 413);
    tls_close(&c);
}

static void a_stop_ends_tls_connections(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    struct tls_client idle = tls_connect(f.plain.port, any, NULL),
                      used = tls_connect(f.plain.port, any, NULL);
    assert_int_equal(tls_exchange(&used, REQUEST, sizeof(REQUEST) - 1), 200);
    ingress_drain(f.plain.ingress);
    assert_int_equal(tls_exchange(&used, REQUEST, sizeof(REQUEST) - 1), 200);
    tls_close(&used);
    tls_close(&idle);
}

static int64_t cpu_ms(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* libmicrohttpd 0.9.75 counts it as work all the time (connection_https.c,
 * MHD_run_tls_handshake_()). */
static void a_handshake_that_stands_still_keeps_no_core_busy(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    int fd = client_connect(f.plain.port);
    assert_true(client_send(fd, "\x16\x03\x01\x02\x00\x01", 6)); /* a ClientHello begins */
    poll(NULL, 0, 100);
    int64_t before = cpu_ms();
    poll(NULL, 0, 1000);
    assert_in_range(cpu_ms() - before, 0, 100);
    close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_callback_over_tls_arrives_and_plain_http_does_not),
        T(tls_1_2_and_1_3_are_spoken_and_nothing_older),
        T(a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on),
        T(a_broken_reload_names_the_file_and_changes_nothing),
        T(a_client_without_the_right_certificate_never_reaches_http),
        T(a_chunked_body_over_the_cap_is_answered_413_over_tls_too),
        T(a_stop_ends_tls_connections),
        T(a_handshake_that_stands_still_keeps_no_core_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
