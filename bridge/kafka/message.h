/* A message of librdkafka's as a record. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/domain/record.h"

/* Its key, value and headers, borrowed from the message; a value without data is a tombstone. Of
 * more headers than RECORD_HEADERS_MAX the first are there. */
void message_record(const rd_kafka_message_t *message, const char *topic, struct record *ret);

/* The producer's or the broker's, as the topic is set; 0: none. */
int64_t message_timestamp_unix_ms(const rd_kafka_message_t *message);
