/* What an ingress tells on its status page: callbacks, answers, Kafka, the spool, the registry. */
#pragma once

#include "bridge/app/process_status.h"
#include "bridge/app/static_routes.h"

/* *ret is filled to tell of these routes, which are borrowed. */
void ingress_status_source(struct static_routes *routes, struct process_status_source *ret);
