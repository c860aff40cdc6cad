/* Room for newcomers: whoever is slow gives way to them, in its own loop, at each of three limits:
 * of connections, of requests in flight, and of the bytes of their bodies. Never what was received
 * whole. Thread: the loop's, all of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct loop;

/* One connection too many takes the place of another. newcomer NULL: nothing is done. */
void room_for_connection(struct loop *l, const struct connection *newcomer);

/* Cuts bodies that are slow to come and began before that of c, the oldest first, until the budget
 * has room for so much more; nobody, if all of them together are too little. Returns whether there
 * is room: another loop may be faster to take it.
 */
bool room_for_body(const struct connection *c, size_t requests, size_t bytes);

/* In each turn: as room_for_body(), for some of the newcomers to come, in whichever loop, but
 * spares who began a moment ago. */
void room_keep(struct loop *l);
