/*
 * Budgets: how often a row may be asked.
 */
#ifndef ASHLAR_BUDGET_H
#define ASHLAR_BUDGET_H

#include <stdbool.h>

/*
 * How many requests a minute a caller may make of the rows that name it: of the
 * surface's usual one, where a row names none.  Each is counted apart.
 */
struct budget {
	unsigned number;        /* tells its counters from the others', in every process */
	const long *per_minute; /* the setting; 0: as many as one likes */
	const char *setting;    /* its name */
	bool by_address;        /* counts all of an address, whoever they say they are */
};

extern const struct budget budget_default, budget_ai, budget_auth, budget_webhooks, budget_operations,
	budget_agents,  /* of a user, of agents */
	budget_reports, /* of servers that tell of what they did */
	budget_tokens,  /* of who makes tokens of projects, by address */
	budget_project, /* of a program that sends what belongs to traces */
	budget_tasks,   /* of a user or a key, of tasks made */
	budget_key,     /* of a secret key without a user, whatever the row */
	budget_counted; /* its handler counts what it does (rq->limits): this is for who asks too often before
			 */

#endif
