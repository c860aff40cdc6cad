/* The client and certificates: whom it trusts, and that it tells nothing to anybody else. */
#include "bridge/httpclient/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "bridge/base/address.h"

/* A server with a certificate of its own making, for 127.0.0.1 only. */
struct server {
    gnutls_certificate_credentials_t credentials;
    char ca_file[64];
    int listener;
    uint16_t port;
    pthread_t thread;
    unsigned requests; /* read after server_stop() only */
};

static void make_certificate(struct server *s)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(
                         key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    gnutls_x509_crt_set_version(crt, 3);
    gnutls_x509_crt_set_serial(crt, "\x01", 1);
    gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
    gnutls_x509_crt_set_dn(crt, "CN=127.0.0.1", NULL);
    gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, &loopback, sizeof(loopback), 0);
    gnutls_x509_crt_set_ca_status(crt, 1);
    gnutls_x509_crt_set_key(crt, key);
    assert_int_equal(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_certificate_set_x509_key(s->credentials, &crt, 1, key), 0);

    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    snprintf(s->ca_file, sizeof(s->ca_file), "./test-ca-XXXXXX");
    int fd = mkstemp(s->ca_file);
    assert_int_equal(write(fd, pem.data, pem.size), pem.size);
    close(fd);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

/* Answers one request, if the client thinks well enough of the certificate to send it. */
static bool serve(struct server *s, int fd)
{
    static const char reply[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    char text[4096] = "";
    ssize_t got = 0;
    gnutls_session_t session;
    gnutls_init(&session, GNUTLS_SERVER);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, s->credentials);
    gnutls_transport_set_int(session, fd);
    /* With TLS 1.3 the server's handshake may end before the client has judged. */
    if (gnutls_handshake(session) == 0)
        got = gnutls_record_recv(session, text, sizeof(text) - 1);
    if (got > 0) {
        gnutls_record_send(session, reply, sizeof(reply) - 1);
        gnutls_bye(session, GNUTLS_SHUT_WR);
    }
    gnutls_deinit(session);
    close(fd);
    return got > 0;
}

static void *server_main(void *ctx)
{
    struct server *s = ctx;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0)
        s->requests += serve(s, fd);
    return NULL;
}

static void server_start(struct server *s)
{
    const struct address any = {.host = "127.0.0.1", .port = 0};
    struct diag diag = {{0}};
    *s = (struct server){0};
    assert_int_equal(gnutls_certificate_allocate_credentials(&s->credentials), 0);
    make_certificate(s);
    assert_int_equal(address_listen(&any, false, &s->listener, &s->port, &diag), STATUS_OK);
    assert_int_equal(fcntl(s->listener, F_SETFL, fcntl(s->listener, F_GETFL) & ~O_NONBLOCK), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    unlink(s->ca_file);
    gnutls_certificate_free_credentials(s->credentials);
}

struct got {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_done;
    enum http_outcome outcome;
    unsigned code;
    struct http_times times;
    char error[256];
};

static void on_done(void *ctx, const struct http_answer *answer)
{
    struct got *g = ctx;
    pthread_mutex_lock(&g->lock);
    g->outcome = answer->outcome;
    g->code = answer->code;
    g->times = answer->times;
    snprintf(g->error, sizeof(g->error), "%s", answer->error);
    g->is_done = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

/* One call by a client of its own; a GET that has a minute for more attempts. */
static struct got call(const char *host, uint16_t port, const char *ca_file)
{
    struct got g = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    char base_url[64], url[96];
    snprintf(base_url, sizeof(base_url), "https://%s:%u", host, port);
    snprintf(url, sizeof(url), "%s/webhooks", base_url);
    const struct http_base base = {.url = base_url};
    const struct http_client_options options = {.bases = &base,
                                                .bases_len = 1,
                                                .concurrency = 1,
                                                .calls_max = 1,
                                                .connect_timeout_ms = 5000,
                                                .timeout_ms = 5000,
                                                .response_max_bytes = 1000,
                                                .ca_file = ca_file,
                                                .user_agent = "test"};
    const struct http_request request = {.url = url, .key = "a", .start_within_ms = 60000};
    struct http_client *c;
    assert_int_equal(http_client_new(&options, &c, NULL), STATUS_OK);
    assert_int_equal(http_client_submit(c, &request, on_done, &g, NULL), STATUS_OK);
    pthread_mutex_lock(&g.lock);
    while (!g.is_done)
        pthread_cond_wait(&g.changed, &g.lock);
    pthread_mutex_unlock(&g.lock);
    http_client_free(c);
    return g;
}

static void a_server_that_ca_file_vouches_for_is_called(void **state)
{
    struct server s;
    (void)state;
    server_start(&s);
    struct got g = call("127.0.0.1", s.port, s.ca_file);
    assert_string_equal(g.error, "");
    assert_int_equal(g.outcome, HTTP_ANSWERED);
    assert_int_equal(g.code, 200);
    assert_in_range(g.times.connected_us, 1, g.times.secured_us - 1);
    assert_in_range(g.times.secured_us, 1, g.times.answered_us - 1);
    server_stop(&s);
    assert_int_equal(s.requests, 1);
}

static void a_server_that_nobody_vouches_for_is_told_nothing_and_not_asked_again(void **state)
{
    struct server s;
    (void)state;
    server_start(&s);
    struct got g = call("127.0.0.1", s.port, "");
    assert_int_equal(g.outcome, HTTP_NOT_SENT);
    assert_non_null(strstr(g.error, "certificate"));
    assert_in_range(g.times.resolved_us, 1,
                    g.times.connected_us); /* it stood, and was not secured */
    assert_int_equal(g.times.secured_us, 0);
    server_stop(&s);
    assert_int_equal(s.requests, 0);
}

static void a_certificate_for_another_name_is_no_better(void **state)
{
    struct server s;
    (void)state;
    server_start(&s);
    struct got g = call("localhost", s.port, s.ca_file);
    assert_int_equal(g.outcome, HTTP_NOT_SENT);
    assert_non_null(strstr(g.error, "localhost"));
    server_stop(&s);
    assert_int_equal(s.requests, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_ca_file_vouches_for_is_called),
        cmocka_unit_test(a_server_that_nobody_vouches_for_is_told_nothing_and_not_asked_again),
        cmocka_unit_test(a_certificate_for_another_name_is_no_better),
    };
    return http_client_prepare() != STATUS_OK || cmocka_run_group_tests(tests, NULL, NULL);
}
