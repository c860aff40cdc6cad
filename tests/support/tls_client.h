/* The other side of a TLS connection: a client that speaks HTTP. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/tls_identity.h"

struct tls_client {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    bool connected; /* the handshake is over */
};

/* Connects to the loopback and shakes hands. own: the client's certificate, or NULL. Certificates
 * are not checked but compared by the test. */
struct tls_client tls_connect(uint16_t port, const char *priorities,
                              const struct tls_identity *own);
void tls_close(struct tls_client *c);

/* The code of the answer; 0: none came. */
unsigned tls_exchange(struct tls_client *c, const char *request, size_t len);

/* Whether the server's certificate is this one. */
bool tls_shows(struct tls_client *c, const struct tls_identity *id);
