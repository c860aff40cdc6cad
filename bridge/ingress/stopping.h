/* How a loop ends: nobody who was heard stays without an answer, as far as time allows. */
#pragma once

struct loop;

/* Stops accepting, waits until every request is answered or until the loop's last instant, and cuts
 * what is left; l->cut counts the requests that got no answer. Nothing is suspended afterwards.
 * Thread: the loop's.
 */
void stopping_run(struct loop *l);
