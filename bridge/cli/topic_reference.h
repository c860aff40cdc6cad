/* The topics with their default settings, as the files beside the program have them. */
#pragma once

#include "bridge/base/buf.h"

/* Each appends a part of a document, made of what topics_plan_make() creates on a cluster of enough
 * brokers. Errors: ret->status. */

/* The chart's files/topics.yaml, whole. */
void topic_reference_print_chart(struct buf *ret);

/* Of deploy/asyncapi.yaml the channels, the operations, and the channels' bindings. */
void topic_reference_print_channels(struct buf *ret);
