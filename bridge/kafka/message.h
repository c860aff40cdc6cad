/* A message of librdkafka's as a record. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "bridge/domain/record.h"

/* Its key, value and headers, borrowed from the message; a value without data is a tombstone. Of
 * more headers than RECORD_HEADERS_MAX the first are there. */
void message_record(const rd_kafka_message_t *message, const char *topic, struct record *ret);

/* Headers to produce with. They are librdkafka's once that has succeeded, and the caller's to free
 * when it failed, which is why they are a list: single ones (VTYPE_HEADER) are freed twice when the
 * client knows that the topic or the partition is not there, or may not be written to.
 * Source: rd_kafka_produceva(), rdkafka_msg.c 2.0.2; librdkafka issue 4627. */
rd_kafka_headers_t *message_headers_new(const struct record_header headers[], size_t headers_len);
void message_headers_free(rd_kafka_headers_t *headers);

/* The producer's or the broker's, as the topic is set; 0: none. */
int64_t message_timestamp_unix_ms(const rd_kafka_message_t *message);
