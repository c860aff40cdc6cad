/* Certificates made on the spot, and the files a server reads them from. */
#pragma once

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

/* A self-signed certificate, which is also its own authority. */
struct tls_identity {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
};

struct tls_identity tls_identity_make(const char *name);
void tls_identity_done(struct tls_identity *id);

/* As PEM. */
void tls_identity_write_certificate(const char *path, const struct tls_identity *id);
void tls_identity_write_key(const char *path, const struct tls_identity *id);

/* Paths in a directory of their own. */
struct tls_files {
    char directory[64];
    char certificate[96], key[96]; /* the server's */
    char client_ca[96];
};

/* Makes the directory, and none of the files; the other one takes all of it away. */
void tls_files_make(struct tls_files *ret);
void tls_files_remove(const struct tls_files *files);

/* The server's certificate and key. */
void tls_files_write_server(const struct tls_files *files, const struct tls_identity *server);
