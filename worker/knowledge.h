/* Jobs of kind "file.text": what is written in a file that an agent is to know. */
#ifndef WORKER_KNOWLEDGE_H
#define WORKER_KNOWLEDGE_H

#include "worker/job.h"

extern const struct job_kind file_text_job;

#endif
