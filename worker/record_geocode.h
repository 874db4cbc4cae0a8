/*
 * "record.geocode": a provider is asked where the addresses of a recordset's records are, and they are
 * written there, a few at a time (sql/functions/records/record_geocoding.sql).
 *
 * A job works for some seconds and leaves the rest to another one, behind those that wait: so tenants take
 * turns, and a provider that says nothing at present keeps no process.
 */
#ifndef WORKER_RECORD_GEOCODE_H
#define WORKER_RECORD_GEOCODE_H

#include "worker/job.h"

extern const struct job_kind record_geocode_job;

#endif
