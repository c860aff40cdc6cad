/* The ingress over TLS on loopback: certificates made here, replaced while it runs, and asked of
 * clients. */
#include "tests/integration/ingress_fixture.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/crypto.h"

#define BODY "{\"resource\":\"INVOICE\"}"
#define SIGNED "POST " ACTIVE_PATH " HTTP/1.1\r\nHost: bridge\r\n" SIGNATURE_LINE
#define REQUEST SIGNED "Content-Length: 22\r\n\r\n" BODY

/* A self-signed certificate, which is also its own authority. */
struct identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

struct tls_fixture {
    struct ingress_fixture plain;
    char directory[64];
    char certificate_file[96], key_file[96], client_ca_file[96];
    struct identity server, other;
};

static struct tls_fixture f;

/* --- certificates ---------------------------------------------------------------------------- */

static struct identity identity_make(const char *name)
{
    struct identity id;
    uint8_t serial[8];
    assert_int_equal(crypto_random(serial, sizeof(serial)), STATUS_OK);
    serial[0] &= 0x7f;
    assert_int_equal(gnutls_x509_privkey_init(&id.key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(id.key, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1),
                                                  0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&id.certificate), 0);
    gnutls_x509_crt_set_version(id.certificate, 3);
    gnutls_x509_crt_set_serial(id.certificate, serial, sizeof(serial));
    gnutls_x509_crt_set_dn_by_oid(id.certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                  (unsigned)strlen(name));
    gnutls_x509_crt_set_activation_time(id.certificate, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(id.certificate, time(NULL) + 3600);
    gnutls_x509_crt_set_ca_status(id.certificate, 1);
    gnutls_x509_crt_set_key(id.certificate, id.key);
    assert_int_equal(
        gnutls_x509_crt_sign2(id.certificate, id.certificate, id.key, GNUTLS_DIG_SHA256, 0), 0);
    return id;
}

static void identity_done(struct identity *id)
{
    gnutls_x509_crt_deinit(id->certificate);
    gnutls_x509_privkey_deinit(id->key);
}

static void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void write_certificate(const char *path, const struct identity *id)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_crt_export2(id->certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(path, pem.data, pem.size);
    gnutls_free(pem.data);
}

static void write_key(const char *path, const struct identity *id)
{
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_privkey_export2(id->key, GNUTLS_X509_FMT_PEM, &pem), 0);
    write_file(path, pem.data, pem.size);
    gnutls_free(pem.data);
}

/* --- the fixture ----------------------------------------------------------------------------- */

static int set_up(void **state)
{
    (void)state;
    ingress_fixture_init(&f.plain);
    snprintf(f.directory, sizeof(f.directory), "./tls-XXXXXX");
    assert_non_null(mkdtemp(f.directory));
    snprintf(f.certificate_file, sizeof(f.certificate_file), "%s/tls.crt", f.directory);
    snprintf(f.key_file, sizeof(f.key_file), "%s/tls.key", f.directory);
    snprintf(f.client_ca_file, sizeof(f.client_ca_file), "%s/ca.crt", f.directory);
    f.server = identity_make("server");
    f.other = identity_make("other");
    write_certificate(f.certificate_file, &f.server);
    write_key(f.key_file, &f.server);
    write_certificate(f.client_ca_file, &f.other);
    f.plain.opt.tls = (struct ingress_tls_options){f.certificate_file, f.key_file, ""};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ingress_fixture_done(&f.plain);
    identity_done(&f.server);
    identity_done(&f.other);
    unlink(f.certificate_file);
    unlink(f.key_file);
    unlink(f.client_ca_file);
    rmdir(f.directory);
    return 0;
}

/* --- a client -------------------------------------------------------------------------------- */

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    bool connected; /* the handshake is over */
};

/* own: the client's certificate, or NULL. Certificates are not checked but compared by the test. */
static struct tls_client tls_connect(const char *priorities, const struct identity *own)
{
    struct tls_client c = {.fd = client_connect(f.plain.port)};
    assert_true(c.fd >= 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c.credentials), 0);
    if (own != NULL)
        assert_int_equal(gnutls_certificate_set_x509_key(
                             c.credentials, (gnutls_x509_crt_t[]){own->certificate}, 1, own->key),
                         0);
    assert_int_equal(gnutls_init(&c.session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_priority_set_direct(c.session, priorities, NULL), 0);
    gnutls_credentials_set(c.session, GNUTLS_CRD_CERTIFICATE, c.credentials);
    gnutls_transport_set_int(c.session, c.fd);
    int error;
    do
        error = gnutls_handshake(c.session);
    while (error < 0 && !gnutls_error_is_fatal(error));
    c.connected = error == 0;
    return c;
}

static void tls_close(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

/* The code of the answer; 0: none came. */
static unsigned tls_exchange(struct tls_client *c, const char *request, size_t len)
{
    char answer[2048] = "";
    unsigned code = 0;
    if (!c->connected)
        return 0;
    for (size_t sent = 0; sent < len;) {
        ssize_t n = gnutls_record_send(c->session, request + sent, len - sent);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    ssize_t n;
    do
        n = gnutls_record_recv(c->session, answer, sizeof(answer) - 1);
    while (n < 0 && !gnutls_error_is_fatal((int)n) && n != GNUTLS_E_AGAIN);
    return n > 0 && sscanf(answer, "HTTP/1.1 %u", &code) == 1 ? code : 0;
}

static bool tls_shows(struct tls_client *c, const struct identity *id)
{
    unsigned len = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(c->session, &len);
    gnutls_datum_t der;
    assert_non_null(shown);
    assert_int_equal(gnutls_x509_crt_export2(id->certificate, GNUTLS_X509_FMT_DER, &der), 0);
    bool same = bytes_equal(bytes_of(shown->data, shown->size), bytes_of(der.data, der.size));
    gnutls_free(der.data);
    return same;
}

static unsigned tls_post(const char *priorities, const struct identity *own)
{
    struct tls_client c = tls_connect(priorities, own);
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
    struct tls_client c = tls_connect(any, NULL);
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
    struct tls_client before = tls_connect(any, NULL);
    assert_true(tls_shows(&before, &f.server));
    /* the files as they are: nothing changes */
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &diag), STATUS_OK);
    write_certificate(f.certificate_file, &f.other);
    write_key(f.key_file, &f.other);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &diag), STATUS_OK);
    struct tls_client after = tls_connect(any, NULL);
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
    write_key(f.key_file, &f.other);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &mismatch), STATUS_INVALID);
    assert_non_null(strstr(mismatch.text, "tls.key: not the key of the certificate in"));
    write_file(f.certificate_file, "no PEM", 6);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &garbage), STATUS_INVALID);
    assert_non_null(strstr(garbage.text, "tls.crt"));
    unlink(f.certificate_file);
    assert_int_equal(ingress_reload_tls(f.plain.ingress, &missing), STATUS_INVALID);
    assert_non_null(strstr(missing.text, "tls.crt"));
    struct tls_client c = tls_connect(any, NULL);
    assert_true(tls_shows(&c, &f.server));
    assert_int_equal(tls_exchange(&c, REQUEST, sizeof(REQUEST) - 1), 200);
    tls_close(&c);
}

static void a_client_without_the_right_certificate_never_reaches_http(void **state)
{
    (void)state;
    struct diag diag = {0};
    f.plain.opt.tls.client_ca_file = f.client_ca_file;
    ingress_fixture_start(&f.plain);
    const char *versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(tls_post(versions[i], NULL), 0);
        assert_int_equal(tls_post(versions[i], &f.server), 0);
        assert_int_equal(tls_post(versions[i], &f.other), 200);
    }
    /* The authorities are read again, too. */
    write_certificate(f.client_ca_file, &f.server);
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
    struct tls_client c = tls_connect(any, NULL);
    assert_int_equal(tls_exchange(&c, request, (size_t)len), 413);
    tls_close(&c);
}

static void a_stop_ends_tls_connections(void **state)
{
    (void)state;
    ingress_fixture_start(&f.plain);
    struct tls_client idle = tls_connect(any, NULL), used = tls_connect(any, NULL);
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
