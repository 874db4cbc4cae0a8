/*
 * Sends the spans that wait in shared memory (lib/host/span_ring.h) to where OTEL_TRACES_EXPORTER says: a
 * process of the worker, one a host.  Neither it nor what it calls is traced.
 *
 * Spans stay in the memory until they are sent: a worker that dies loses those of one batch.  What the
 * collector does not take for a while is sent again, later and later; what it refuses, or does not take for
 * too long, is counted, and so is what finds no room meanwhile.
 */
#ifndef WORKER_EXPORTER_H
#define WORKER_EXPORTER_H

/* Does not return; ends on SIGTERM, after one try to send what is there. */
void exporter_run(void);

#endif
