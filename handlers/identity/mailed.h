/*
 * Mailed tokens: what a link or a six-digit code in a mail lets its reader do.
 *
 * kind is both the token's in one_time_tokens and the mail's template.  The
 * database's half is sql/functions/identity/mailed_tokens.sql.
 */
#ifndef HANDLERS_IDENTITY_MAILED_H
#define HANDLERS_IDENTITY_MAILED_H

#include "fcgi/choice.h"
#include "fcgi/field.h"
#include "handlers/mail.h"
#include "lib/base/err.h"

struct query;
struct req;

/* The fields of a body that shows one: the link's token, or the address and the code in its place. */
extern const struct field mailed_fields[];

/* Of these the token, or the address and the code. */
extern const struct choice mailed_choice;

/*
 * Read mailed_fields for a query: sets token_tenant, token_hash and
 * token_code_hash (email is a field), and without an API key makes the
 * ticket's tenant the request's.
 *
 * ERR_OK, also for a token that is none of ours: nothing will be found by it;
 * ERR_UNAVAILABLE without JWT_SECRET.
 */
enum err mailed_read(struct req *rq, const char *kind);

/*
 * Verify the address that mailed_fields are for, by a query that answers wait_s
 * (codes that were wrong too often) and is_verified, and answer.  ERR_TICKET: not verified.
 */
enum err mailed_verify(struct req *rq, const struct query *q);

/*
 * Make a ticket and a code, and the mail that carries both: sets token_hash,
 * token_code_hash and mail_payload.  m has template (the kind), tenant, to,
 * locale and link.
 *
 * ERR_OK; ERR_UNAVAILABLE without JWT_SECRET.
 */
enum err mailed_make(struct req *rq, const struct mail *m);

/* A page of ours, which nginx serves: PUBLIC_URL/verify-email.html.  The arena's. */
const char *mailed_page(struct req *rq, const char *name);

#endif
