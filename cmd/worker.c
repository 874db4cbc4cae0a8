/*
 * ashlar worker: run jobs.
 */
#include "cmd/cmd.h"

#include "fcgi/router.h"
#include "lib/host/config.h"
#include "lib/host/log.h"
#include "lib/host/span.h"
#include "worker/mail.h"
#include "worker/worker.h"

static const char *queues = "ashlar,ashlar.mail:4,ashlar.webhooks,ashlar.geocoding:2,ashlar.topup:2",
		  *concurrency = "8";

static const struct cmd_option options[] = {
	{ "--queues", "LIST", &queues,
	  "ashlar,ashlar.mail:4,ashlar.webhooks,ashlar.geocoding:2,ashlar.topup:2; NAME:N runs at most N of "
	  "it at once" },
	{ "--concurrency", "N", &concurrency,
	  "how many children, each with one job at a time; 8 when left out" },
	{ NULL, NULL, NULL, NULL },
};

static const struct cmd_usage usage = {
	"worker [--queues NAME[:N],…] [--concurrency N]",
	"Run the jobs of Ashlar's own queues (ashlar, ashlar.…) until SIGTERM, which lets\n"
	"those in hand end.  SIGHUP replaces the children.  Others' queues are taken over\n"
	"HTTP.  The configuration is in the environment: ashlar check-config.",
	options,
};

static void read_queue(struct worker_options *to, const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n);
	size_t len = colon ? (size_t)(colon - text) : n;
	char number[16];

	if (to->nqueues == WORKER_QUEUES)
		cmd_misuse(&usage, "--queues may name %d queues", WORKER_QUEUES);
	/* Kinds of jobs elsewhere are the tenant's to choose; here they are code of ours. */
	if (len > 100 || strncmp(text, "ashlar", 6) != 0 || (len != 6 && text[6] != '.'))
		cmd_misuse(&usage,
			   "--queues takes Ashlar's own queues, \"ashlar\" and \"ashlar.…\", not \"%.*s\"",
			   (int)len, text);
	memcpy(to->queues[to->nqueues].name, text, len);
	if (colon) {
		snprintf(number, sizeof(number), "%.*s", (int)(n - len - 1), colon + 1);
		to->queues[to->nqueues].cap =
			(int)cmd_number(&usage, "--queues NAME:N", number, 1, WORKER_CHILDREN);
	}
	to->nqueues++;
}

int cmd_worker(int argc, char **argv)
{
	static struct worker_options worker;
	const char *mails;
	bool is_bad;

	if (cmd_options(&usage, argc, argv) < argc)
		cmd_misuse(&usage, "takes no operands");
	worker.concurrency = (int)cmd_number(&usage, "--concurrency", concurrency, 1, WORKER_CHILDREN);
	for (const char *p = queues; *(p += strspn(p, ","));) {
		read_queue(&worker, p, strcspn(p, ","));
		p += strcspn(p, ",");
	}
	if (!worker.nqueues)
		cmd_misuse(&usage, "--queues must name one");
	cmd_config_server();
	log_init("worker");
	span_init("worker");
	router_init();
	mails = mail_destination(&is_bad);
	log_msg(is_bad ? LOG_WARNING : LOG_INFO, NULL, "%s", mails);
	return worker_run(&worker);
}
