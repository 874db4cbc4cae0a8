/*
 * A tenant's own accounts at providers of language models.
 */
#ifndef HANDLERS_AI_ACCOUNTS_H
#define HANDLERS_AI_ACCOUNTS_H

#include "lib/base/err.h"

struct ai_server;
struct req;

/*
 * Those of the request's tenant, as ai_ask's own has them; NULL: it has none.
 *
 * ERR_OK; ERR_UNAVAILABLE: one's key cannot be opened.  It is not asked with another one then.
 */
enum err ai_accounts_own(struct req *rq, const struct ai_server **own);

#endif
