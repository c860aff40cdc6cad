#include "bridge/kafka/message.h"

void message_record(const rd_kafka_message_t *message, const char *topic, struct record *ret)
{
    *ret = (struct record){.topic = topic,
                           .key = bytes_of(message->key, message->key_len),
                           .value = bytes_of(message->payload, message->len)};
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    const char *name;
    const void *value;
    size_t len;
    for (size_t i = 0;
         i < RECORD_HEADERS_MAX &&
         rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        record_add_header(ret, name, bytes_of(value, len));
}

int64_t message_timestamp_unix_ms(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t unix_ms = rd_kafka_message_timestamp(message, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : unix_ms;
}

rd_kafka_headers_t *message_headers_new(const struct record_header headers[], size_t headers_len)
{
    rd_kafka_headers_t *list = rd_kafka_headers_new(headers_len);
    for (size_t i = 0; i < headers_len; i++)
        rd_kafka_header_add(list, headers[i].name, -1, headers[i].value.data,
                            (ssize_t)headers[i].value.len);
    return list;
}

void message_headers_free(rd_kafka_headers_t *headers)
{
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
}
