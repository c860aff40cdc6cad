/* What a delivery report's error means for the record. */
#pragma once

#include <librdkafka/rdkafka.h>

enum verdict {
    VERDICT_FAILED = 0, /* not durable, or not surely: the sender comes again */
    VERDICT_DURABLE,
    VERDICT_RETURNED, /* librdkafka gave it back: produce it again while its callback waits */
    VERDICT_REFUSED,  /* its content will never be accepted: a dead letter */
    VERDICT_OPERATOR, /* as failed, and stays so until somebody mends it */
};

/* The one place where librdkafka's codes are translated. */
enum verdict errors_verdict(rd_kafka_resp_err_t err);
