#include "tests/support/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bridge/base/bytes.h"
#include "tests/integration/ingress_fixture.h"

struct tls_client tls_connect(uint16_t port, const char *priorities, const struct tls_identity *own)
{
    struct tls_client c = {.fd = client_connect(port)};
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

void tls_close(struct tls_client *c)
{
    gnutls_deinit(c->session);
    gnutls_certificate_free_credentials(c->credentials);
    close(c->fd);
}

unsigned tls_exchange(struct tls_client *c, const char *request, size_t len)
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

bool tls_shows(struct tls_client *c, const struct tls_identity *id)
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
