/* The public listener's certificate, key and client authorities: read from files, replaced while it
 * runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "bridge/ingress/ingress.h"

struct tls;
struct MHD_Connection;

/* TLS 1.2 and 1.3, in GnuTLS's notation. */
extern const char tls_priorities[];

/* Reads the files.
 * Owns:   on STATUS_OK the caller frees *ret with tls_free(), after all handshakes are over.
 * Errors: STATUS_INVALID a file cannot be read, holds no PEM, or key and certificate do not belong
 * together; diag says which. STATUS_NOMEM.
 */
enum status tls_new(const struct ingress_tls_options *opt, struct tls **ret, struct diag *diag)
    MUST_CHECK;
void tls_free(struct tls *t);

/* Reads the files again; handshakes that begin from now on use what they hold. *ret_changed tells
 * whether they hold something new.
 * Errors: as tls_new(); what was there stays. Thread: one at a time; the loops go on.
 */
enum status tls_reload(struct tls *t, bool *ret_changed, struct diag *diag) MUST_CHECK;

/* Sends text on a connection whose handshake is over; at most once, and best effort. Thread: the
 * loop's. */
void tls_send(struct MHD_Connection *mhd, const char *text, size_t len);

/* The gnutls_certificate_retrieve_function2 for MHD_OPTION_HTTPS_CERT_CALLBACK. Also asks for, and
 * checks, the client's certificate: without a good one the handshake fails, and nothing of HTTP is
 * ever heard of.
 */
void *tls_retrieve(void);
