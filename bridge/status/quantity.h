/* A number and what it counts, as people read it. */
#pragma once

enum quantity {
    QUANTITY_COUNT = 0,
    QUANTITY_PER_SECOND,
    QUANTITY_PER_MINUTE,
    QUANTITY_SECONDS,
    QUANTITY_BYTES,
    QUANTITY_DAYS,
};

#define QUANTITY_TEXT_SIZE 40

/* "1,234", "12.3/s", "0.4/min", "8.1 ms", "2.5 MiB", "12 d"; an en dash for what is not known
 * (NaN), "never" for infinite days. */
void quantity_text(double value, enum quantity quantity, char ret[QUANTITY_TEXT_SIZE]);

/* "count", "per-second", ...: for programs. Static. */
const char *quantity_name(enum quantity quantity);
