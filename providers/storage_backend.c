#include "providers/storage_backend.h"

#include <string.h>

#include "lib/base/sniff.h"

enum err storage_backend_judge_size(struct arena *a, const struct storage_object *o, long long size,
				    struct failure *why)
{
	if (size == o->size)
		return ERR_OK;
	return failure_set(why, a, ERR_VALIDATION, "size", "%lld bytes were uploaded, and %lld declared",
			   size, o->size);
}

enum err storage_backend_judge(struct arena *a, const struct storage_object *o, const char *head,
			       size_t nhead, const unsigned char sha256[SECRET_BYTES], struct failure *why)
{
	if (!sniff_agrees(o->content_type, head, nhead))
		return failure_set(why, a, ERR_VALIDATION, "content_type",
				   "what was uploaded is %s, and not %s as declared", sniff_type(head, nhead),
				   o->content_type);
	if (o->sha256 && strcmp(o->sha256, secret_bytea(a, sha256, SECRET_BYTES)) != 0)
		return failure_set(why, a, ERR_VALIDATION, "sha256",
				   "the SHA-256 of what was uploaded is %s, and not as declared",
				   secret_bytea(a, sha256, SECRET_BYTES) + 2);
	return ERR_OK;
}
