/* SIGINT and SIGTERM, for a command that ends in good order. */
#pragma once

#include <stdbool.h>

/* From now on the first signal is only noted, and a second one ends the program at once. */
void interruption_heed(void);

/* Whether the first one came. ctx is not looked at: it fits where a function is asked. Thread: any.
 */
bool interruption_came(void *ctx);
