/* The ingress over TLS with client certificates, from its opening through a certificate's exchange
 * to its end: whatever fails, 200 is answered only for what the sink has taken, the next handshake
 * succeeds, and what cannot be read again leaves the certificate as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/scoped.h"
#include "tests/integration/ingress_fixture.h"
#include "tests/support/tls_client.h"
#include "tests/torture/torture.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define REQUEST                                                                                    \
    "POST " ACTIVE_PATH " HTTP/1.1\r\nHost: bridge\r\n" SIGNATURE_LINE                             \
    "Content-Length: 22\r\n\r\n" BODY

static const int64_t patience_ms = 30000;

static struct tls_files files;
static struct tls_identity first, second, client;

static size_t taken(struct ingress_fixture *f)
{
    pthread_mutex_lock(&f->sink.lock);
    size_t taken = f->sink.taken;
    pthread_mutex_unlock(&f->sink.lock);
    return taken;
}

/* Shakes hands and asks once. Returns the answer; 0: there was none. */
static unsigned ask(struct ingress_fixture *f, const struct tls_identity *server)
{
    size_t before = taken(f);
    struct tls_client c = tls_connect(f->port, "NORMAL", &client);
    if (c.connected)
        assert_true(tls_shows(&c, server));
    unsigned code = tls_exchange(&c, REQUEST, sizeof(REQUEST) - 1);
    tls_close(&c);
    if (code == 200)
        assert_int_equal(taken(f), before + 1);
    else if (code != 0)
        assert_in_range(code, 500, 599);
    return code;
}

/* Until something has failed and one was served after it, or nothing is left to fail. */
static void ask_until_served(struct ingress_fixture *f, const struct tls_identity *server)
{
    int64_t until_mono_ms = clock_mono_ms() + patience_ms;
    bool had_failed;
    unsigned code;
    do { /* a slow machine's handshake may be cut */
        assert_true(clock_mono_ms() < until_mono_ms);
        had_failed = torture_has_failed();
        code = ask(f, server);
    } while (code != 200 || (!had_failed && torture_has_failed()));
}

static void use(struct ingress_fixture *f)
{
    struct diag diag = {0};
    ask_until_served(f, &first);
    tls_files_write_server(&files, &second);
    bool had_failed = torture_has_failed();
    enum status status = ingress_reload_tls(f->ingress, &diag);
    assert_true(status == STATUS_OK || (!had_failed && torture_has_failed()));
    ask_until_served(f, status == STATUS_OK ? &second : &first);
    assert_int_equal(ingress_stop(f->ingress, clock_mono_ms() + 9000), 0);
    ingress_free(TAKE(f->ingress));
}

static void live(void *ctx)
{
    static struct ingress_fixture f; /* also for the threads of a test that has failed */
    struct diag diag = {0};
    (void)ctx;
    tls_files_write_server(&files, &first);
    ingress_fixture_init(&f);
    log_set_level(LOG_DEBUG);
    f.opt.tls = (struct ingress_tls_options){files.certificate, files.key, files.client_ca};
    torture_begin();
    enum status status = ingress_new(&f.opt, &f.ingress, &diag);
    assert_true(status == STATUS_OK || torture_has_failed());
    if (status == STATUS_OK) {
        f.port = ingress_port(f.ingress);
        use(&f);
    }
    torture_pause();
    ingress_fixture_done(&f);
}

static void whatever_fails_from_the_opening_to_the_end(void **state)
{
    (void)state;
    torture(live, NULL, 70);
}

static int set_up(void **state)
{
    (void)state;
    torture_log();
    tls_files_make(&files);
    first = tls_identity_make("first");
    second = tls_identity_make("second");
    client = tls_identity_make("client");
    tls_identity_write_certificate(files.client_ca, &client);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_identity_done(&first);
    tls_identity_done(&second);
    tls_identity_done(&client);
    tls_files_remove(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whatever_fails_from_the_opening_to_the_end, torture_teardown),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
