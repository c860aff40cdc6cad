/* Whom a request on the loopback interface is meant for, by its Host header. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* Whether nobody but this machine's people can have chosen the name: an address, a name without a
 * dot, or one below "localhost". A page in a browser can have a name of its own lead to 127.0.0.1
 * (DNS rebinding) and would then read what is answered; that name has a dot. NULL and "": true,
 * since browsers always send one.
 * Source: RFC 6761 section 6.3, "localhost."; RFC 9110 section 7.2.
 */
bool host_is_local(const char *host);

/* Whether a connection with this local address came over the loopback interface. */
bool host_address_is_loopback(const struct sockaddr_storage *address);
