/* What a delivery report means for its record: the ambiguity table.
 *
 * A report has an error and librdkafka's word whether the record may be stored. The verdict says
 * what becomes of the record, the ambiguity how it is counted once it is not durable:
 *
 *   verdict    its callback                       counted, by topic
 *   DURABLE    is answered 200                    acked
 *   RETURNED   waits; the record goes again       as that ends
 *   REFUSED    waits for its dead letter          as that ends, in the dead letters' topic
 *   OPERATOR   is answered 503; an alert          failed or ambiguous
 *   FAILED     goes to the spool, if there is     failed or ambiguous
 *              one, or is answered 503
 *
 * Ambiguous is what may be stored all the same: what comes again, from the spool or from the
 * sender, is then a duplicate with the same ce_id. For people: deploy/DELIVERY-REPORTS.md.
 */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>

enum verdict {
    VERDICT_FAILED = 0, /* not durable, or not surely; it may be another time */
    VERDICT_DURABLE,
    VERDICT_RETURNED, /* librdkafka gave it back: produce it again while its callback waits */
    VERDICT_REFUSED,  /* its content will never be accepted: a dead letter */
    VERDICT_OPERATOR, /* as failed, and stays so until somebody mends it */
};
#define VERDICTS 5

/* An error that producing can end with. */
struct errors_row {
    rd_kafka_resp_err_t err;
    enum verdict verdict;
    bool may_be_stored; /* also when librdkafka says that it is not */
};

/* The table, the one place where librdkafka's codes are translated. Static. */
const struct errors_row *errors_rows(size_t *ret_len);

struct judgement {
    enum verdict verdict;
    bool is_ambiguous; /* not durable, and yet it may be stored */
};

/* Of a delivery report. Durable is only what has no error and is said to be stored; an error that
 * is in no row, from a librdkafka or a broker to come, is a failure of which nobody knows. */
struct judgement errors_judge(rd_kafka_resp_err_t err, rd_kafka_msg_status_t status);

/* Of an error alone, such as produce returns: then nothing was sent. No error is durable. */
enum verdict errors_verdict(rd_kafka_resp_err_t err);
