/*
 * The second factor of a user, and of a member of a tenant's team: codes of an
 * authenticator app, and recovery codes for who has lost it.
 *
 * Enrolling gives out a secret, which counts from the first code on that proves
 * the app has it.  From then on signing in with a password answers a challenge,
 * which a code passes.  A code is taken once; wrong ones are counted and put
 * down, so those refusals commit.  Whose it is, is said by queries:
 *
 *	account		tenant, account, name, issuer, is_impersonated
 *	enrol		stores :secret_sealed; no row: it is on already
 *	factor		retry_after_s, tenant, account, secret_sealed, last_step, is_confirmed,
 *is_impersonated activate	with :secret_sealed, :step, :hashes; done disable		with :step,
 *:recovery_hash; done replace_codes	with these and :hashes; done
 *	failed		puts a wrong code down, by :failed_route; retry_after_s
 */
#ifndef HANDLERS_IDENTITY_SECOND_FACTOR_H
#define HANDLERS_IDENTITY_SECOND_FACTOR_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "fcgi/route.h"
#include "lib/base/err.h"

struct query;
struct req;

struct second_factor_queries {
	const struct query *account, *enrol, *factor, *activate, *disable, *replace_codes, *failed;
};

struct second_factor {
	const char *tenant, *account;
	const char *sealed; /* NULL: there is none */
	long long last_step;
	bool is_confirmed;
};

/* The factor of a row; ERR_RATE_LIMIT when there are to be no more guesses.  Its strings are the arena's. */
enum err second_factor_read(struct req *rq, const PGresult *res, struct second_factor *out);

/*
 * Look at the field "code".  What can be one of the factor's sets step or
 * recovery_hash for the query that uses it up; *fits is false for what cannot.
 */
enum err second_factor_code(struct req *rq, const struct second_factor *f, bool *fits);

/* The code was wrong, and that stays: put down by the query, which answers retry_after_s. */
enum err second_factor_refuse(struct req *rq, const struct query *failed);

/* What rows do: answer a new secret; ten codes for the first one of the app; nothing; ten other codes. */
enum err second_factor_enrol(struct req *rq, const struct second_factor_queries *q);
enum err second_factor_activate(struct req *rq, const struct second_factor_queries *q);
enum err second_factor_disable(struct req *rq, const struct second_factor_queries *q);
enum err second_factor_codes(struct req *rq, const struct second_factor_queries *q);

/* What these rows take, answer and refuse. */
extern const struct field second_factor_code_in[], second_factor_first_code_in[], second_factor_verify_in[];
extern const struct shape second_factor_status_shape, second_factor_enrolment_shape,
	second_factor_codes_shape;
extern const enum err second_factor_enrol_errors[], second_factor_activate_errors[],
	second_factor_change_errors[];

#endif
