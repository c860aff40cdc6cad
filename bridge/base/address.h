/* "host:port" as people write it: where a listener listens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/diag.h"

struct address {
    char host[256]; /* a name, an IPv4 address, or an IPv6 address without its brackets; "" means
                       every address */
    uint16_t port;  /* 0: any free one */
};

/* Reads "host:port", "[v6]:port" or ":port".
 * Errors: STATUS_INVALID, diag says what was expected; *ret is untouched.
 */
enum status address_parse(const char *text, struct address *ret, struct diag *diag) MUST_CHECK;

/* A listening, non-blocking TCP socket; shared: several may listen on the same port (SO_REUSEPORT).
 * The host "" listens on every address of IPv6 and IPv4, as far as the machine has them.
 *
 * Owns:   on STATUS_OK the caller closes *ret_fd; *ret_port is the port really bound.
 * Errors: STATUS_UNAVAILABLE the address cannot be bound, or the resolver does not answer;
 *         STATUS_INVALID the host does not resolve; diag says why. STATUS_NOMEM.
 */
enum status address_listen(const struct address *address, bool shared, int *ret_fd,
                           uint16_t *ret_port, struct diag *diag) MUST_CHECK;
