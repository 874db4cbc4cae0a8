/*
 * The drive on the platform surface: a user's files in folders, and the tenant's
 * own, which users see where they are shared.  A file comes in a form, and is sent
 * by nginx once it is asked here.
 */
#include <strings.h>

#include "build/sql/content/drive.h"
#include "fcgi/answer.h"
#include "fcgi/req.h"
#include "lib/base/filename.h"
#include "lib/base/multipart.h"
#include "lib/db/column.h"
#include "lib/host/config.h"
#include "providers/storage.h"

static enum err drive_upload(struct req *rq), tenant_file_upload(struct req *rq), drive_list(struct req *rq),
	folder_list(struct req *rq), drive_send(struct req *rq), shared_send(struct req *rq),
	folder_create(struct req *rq), folder_rename(struct req *rq), tenant_file_update(struct req *rq);

/* clang-format off */

#define COMMON \
	{ "id",                F_UUID,     0, .example = FILE_NAMED }, \
	{ "tenant_id",         F_UUID,     0 }, \
	{ "filename",          F_TEXT,     0, .about = "unique, or what the team calls it", .example = "01936b1c-2f5e-7a10-8c3d-5b6f7a8c9d0e.png" }, \
	{ "original_filename", F_TEXT,     0, .about = "as it came; a label", .example = "harbour.png" }, \
	{ "file_size",         F_INT,      0, .example = "48213" }, \
	{ "content_type",      F_TEXT,     0, .example = "image/png" }, \
	{ "storage_provider",  F_TEXT,     0, .example = "local" }, \
	{ "description",       F_TEXT,     F_NULL, .example = "Where the berths are." }, \
	{ "extra_metadata",    F_OBJECT,   F_NULL }, \
	{ "created_at",        F_DATETIME, 0 }, \
	{ "updated_at",        F_DATETIME, 0 }

#define FILE_NAMED "file"
static const struct field user_file[] = {
	COMMON,
	{ "user_id",   F_UUID, 0 },
	{ "folder_id", F_UUID, F_NULL, .about = "null: the root", .example = "folder" },
	FIELD_END
};
#undef FILE_NAMED
#define FILE_NAMED "dashboard file"
static const struct field tenant_file[] = {
	COMMON,
	{ "is_shared", F_BOOL, 0, .about = "whether users see it", .example = "true" },
	FIELD_END
};

static const struct field folder[] = {
	{ "id",         F_UUID,     0, .example = "folder" },
	{ "tenant_id",  F_UUID,     0 },
	{ "user_id",    F_UUID,     0 },
	{ "parent_id",  F_UUID,     F_NULL, .about = "null: the root", .example = "folder" },
	{ "name",       F_TEXT,     0, .example = "Reports" },
	{ "path",       F_TEXT,     0, .example = "/Charts/Reports" },
	{ "created_at", F_DATETIME, 0 },
	{ "updated_at", F_DATETIME, 0 },
	FIELD_END
};

static const struct field user_upload_out[] = {
	{ "message", F_TEXT,   0, .example = "File uploaded" },
	{ "file",    F_OBJECT, 0, .fields = user_file },
	FIELD_END
};

static const struct field tenant_upload_out[] = {
	{ "message", F_TEXT,   0, .example = "File uploaded" },
	{ "file",    F_OBJECT, 0, .fields = tenant_file },
	FIELD_END
};

#define DESCRIPTION { "description", F_TEXT, 0, .max = 500, .example = "Where the berths are." }

#define IN_FOLDER { "folder_id", F_UUID, 0, .about = "without it: the root", .example = "folder" }
static const struct field in_folder[] = { IN_FOLDER, FIELD_END };
static const struct field upload_in[] = { DESCRIPTION, IN_FOLDER, FIELD_END };
static const struct field tenant_upload_in[] = {
	DESCRIPTION,
	{ "is_shared", F_BOOL, 0, .def = "false" },
	FIELD_END
};
static const struct field form[] = { { "file", F_FILE, F_REQUIRED }, FIELD_END };
static const struct field move_in[] = {
	{ "folder_id", F_UUID, F_NULL, .about = "null, or left out: to the root", .example = "folder" },
	FIELD_END
};
static const struct field folder_in[] = {
	{ "name",      F_TEXT, F_REQUIRED, .min = 1, .max = 255, .about = "without a slash; unique in its folder", .example = "Reports" },
	{ "parent_id", F_UUID, 0, .about = "without it: the root", .example = "folder" },
	FIELD_END
};
static const struct field rename_in[] = {
	{ "name", F_TEXT, F_REQUIRED, .min = 1, .max = 255, .example = "Charts of 2027" },
	FIELD_END
};
static const struct field below_in[] = {
	{ "parent_id", F_UUID, 0, .about = "without it: the root", .example = "folder" },
	FIELD_END
};
static const struct field tenant_list_in[] = {
	{ "is_shared", F_BOOL, 0 },
	FIELD_END
};
static const struct field tenant_file_in[] = {
	{ "is_shared",   F_BOOL, 0, .example = "true" },
	{ "description", F_TEXT, F_NULL, .max = 2000, .example = "High and low water." },
	{ "filename",    F_TEXT, 0, .min = 1, .max = 255, .example = "tides.csv" },
	FIELD_END
};

static const struct shape user_file_shape = { "UserFileResponse", user_file, "File" };
static const struct shape tenant_file_shape = { "TenantFileResponse", tenant_file, "File" };
static const struct shape folder_shape = { "FolderResponse", folder, "Folder" };
static const struct shape user_upload_shape = { "UserFileUpload", user_upload_out, "Folder" };
static const struct shape tenant_upload_shape = { "TenantFileUpload", tenant_upload_out, "File" };

static const struct constraint of_folders[] = {
	{ "file_folders_name_unique", ERR_CONFLICT, "name" },
	{ "files_folder", ERR_CONFLICT, NULL },
	{ "file_folders_parent", ERR_CONFLICT, NULL },
	{ NULL },
};

static const enum err of_folder[] = { ERR_NOT_FOUND, ERR_OK };
static const enum err of_upload[] = { ERR_NOT_FOUND, ERR_LIMIT, ERR_OK };
static const enum err of_name[] = { ERR_NOT_FOUND, ERR_CONFLICT, ERR_OK };
static const enum err of_use[] = { ERR_CONFLICT, ERR_OK };
static const enum err of_limit[] = { ERR_LIMIT, ERR_OK };

#define A_FILE { "a file in a form", ERR_VALIDATION }
#define CONTENT { "content, uploaded", ERR_NOT_FOUND }
#define MINE "/api/v1/user/files"
#define TEAM "/api/v1/dashboard/files"

const struct route drive_routes[] = {
	{ POST,   MINE, "platform.files.upload", &by_key_and_user, "Upload a file", "As the field file of a form.", .needs = A_FILE,
	  .query = upload_in, .parts = form, .out = &user_upload_shape, .errors = of_upload, .constraints = of_folders, .sql = &q_drive_confirm,
	  .run = drive_upload, .flags = SLOW | RAW },
	{ GET,    MINE, "platform.files.list", &by_key_and_user, "List my files in a folder", "Newest first.",
	  .query = in_folder, .out = &user_file_shape, .list = &skipped, .items = "files", .errors = of_folder, .sql = &q_drive_list, .run = drive_list },
	{ GET,    MINE "/shared", "platform.files.list_shared", &by_key_and_user, "List the tenant's shared files", "Newest first.",
	  .out = &tenant_file_shape, .list = &skipped, .items = "files", .sql = &q_shared_list },
	{ GET,    MINE "/shared/{file_id}/download", "platform.files.download_shared", &by_key_and_user, "Download a shared file", NULL, .needs = CONTENT,
	  .out = &tenant_file_shape, .errors = of_limit, .run = shared_send, .flags = SENDS_FILE | BARE | WRITES },
	{ POST,   MINE "/folders", "platform.files.create_folder", &by_key_and_user, "Make a folder", "At most 32 deep.",
	  .body = folder_in, .out = &folder_shape, .errors = of_name, .constraints = of_folders, .sql = &q_folder_create, .run = folder_create },
	{ GET,    MINE "/folders", "platform.files.list_folders", &by_key_and_user, "List folders", "Those directly below one, by name.",
	  .query = below_in, .out = &folder_shape, .list = &unwrapped, .items = "folders", .errors = of_folder, .sql = &q_folder_list, .run = folder_list },
	{ PATCH,  MINE "/folders/{folder_id}", "platform.files.rename_folder", &by_key_and_user, "Rename a folder",
	  .body = rename_in, .out = &folder_shape, .errors = of_name, .constraints = of_folders, .sql = &q_folder_rename, .run = folder_rename },
	{ DELETE, MINE "/folders/{folder_id}", "platform.files.delete_folder", &by_key_and_user, "Delete an empty folder", NULL,
	  .needs = { "an empty folder", ERR_CONFLICT }, .out = &folder_shape, .errors = of_name, .constraints = of_folders, .sql = &q_folder_delete, .status = 204 },
	{ GET,    MINE "/{file_id}", "platform.files.get", &by_key_and_user, "Show a file", .out = &user_file_shape, .sql = &q_drive_get },
	{ GET,    MINE "/{file_id}/download", "platform.files.download", &by_key_and_user, "Download a file", NULL, .needs = CONTENT,
	  .out = &user_file_shape, .errors = of_limit, .run = drive_send, .flags = SENDS_FILE | BARE | WRITES },
	{ DELETE, MINE "/{file_id}", "platform.files.delete", &by_key_and_user, "Delete a file",
	  .out = &user_file_shape, .sql = &q_drive_delete, .status = 204 },
	{ PATCH,  MINE "/{file_id}/move", "platform.files.move", &by_key_and_user, "Move a file to a folder",
	  .body = move_in, .out = &user_file_shape, .errors = of_folder, .constraints = of_folders, .sql = &q_drive_move },
	{ GET,    TEAM, "platform.files.dashboard_list_files", &by_team, "List the tenant's files", "Newest first; no user's.",
	  .query = tenant_list_in, .out = &tenant_file_shape, .list = &skipped, .items = "files", .sql = &q_tenant_file_list },
	{ POST,   TEAM, "platform.files.dashboard_upload_file", &by_team_admin, "Upload a file of the tenant", "As the field file of a form.",
	  .needs = A_FILE, .query = tenant_upload_in, .parts = form, .out = &tenant_upload_shape, .errors = of_limit, .sql = &q_tenant_file_confirm,
	  .run = tenant_file_upload, .flags = SLOW | RAW },
	{ PATCH,  TEAM "/{file_id}", "platform.files.dashboard_update_file", &by_team_admin, "Change a file of the tenant", "Also whether users see it.",
	  .body = tenant_file_in, .out = &tenant_file_shape, .sql = &q_tenant_file_update, .run = tenant_file_update, .flags = IF_MATCH },
	{ DELETE, TEAM "/{file_id}", "platform.files.dashboard_delete_file", &by_team_admin, "Delete a file of the tenant", "Not while an agent looks things up in it.",
	  .errors = of_use, .out = &tenant_file_shape, .sql = &q_tenant_file_delete, .status = 204 },
	ROUTE_END
};
/* clang-format on */

static const char *kept(struct req *rq, const PGresult *res, const char *column)
{
	return arena_dup(&rq->tx.arena, column_text(res, 0, column));
}

/*
 * Room first, then the content, then the file: whoever has no room writes
 * nothing, and no connection is held while it is written.
 */
static enum err take(struct req *rq, const struct query *await, const struct query *confirm,
		     const struct query *give_up)
{
	const struct part *part = req_part(rq, "file");
	unsigned char sha256[SECRET_BYTES];
	struct storage_object o = { .backend = storage_backend(), .content_type = part->content_type };
	struct failure why = { ERR_OK };
	PGresult *res;
	enum err rc;

	if (part->n > (size_t)cfg.storage_form_max_mib << 20)
		return req_fail(rq, ERR_PAYLOAD_TOO_LARGE, "a file in a form may have at most %ld MiB",
				cfg.storage_form_max_mib);
	/* Of a browser that does not know it. */
	if (!o.content_type || !strchr(o.content_type, '/') || strlen(o.content_type) > 127)
		o.content_type = "application/octet-stream";
	req_set(rq, "name", filename_clean(&rq->tx.arena, part->filename));
	req_set(rq, "backend", o.backend);
	req_set(rq, "content_type", o.content_type);
	req_set(rq, "size", arena_fmt(&rq->tx.arena, "%zu", part->n));
	rc = tx_call(&rq->tx, await, true, &res);
	if (rc)
		return rc;
	o.tenant_id = kept(rq, res, "tenant_id");
	o.id = kept(rq, res, "object_id");
	o.size = (long long)part->n;
	req_set(rq, "file", kept(rq, res, "file"));
	if (!storage_put(&rq->tx.arena, &o, part->bytes, part->n, sha256, &why)) {
		req_set(rq, "sha256", secret_bytea(&rq->tx.arena, sha256, sizeof(sha256)));
		return answer_rows(rq, confirm);
	}
	rc = tx_call(&rq->tx, give_up, true, &res);
	if (rc)
		return rc;
	rq->tx.fail = why;
	return why.err;
}

static enum err drive_upload(struct req *rq)
{
	return take(rq, &q_drive_await, &q_drive_confirm, &q_drive_give_up);
}

static enum err tenant_file_upload(struct req *rq)
{
	return take(rq, &q_tenant_file_await, &q_tenant_file_confirm, &q_tenant_file_give_up);
}

/* Of the parts of one that is sent in many, only the first is a download. */
static bool counts(const struct req *rq)
{
	const char *range = req_header(rq, "Range");

	return rq->asked.method == GET && (!range || !strncasecmp(range, "bytes=0-", 8));
}

enum { REDIRECT_S = 300 }; /* it is followed at once, and again for further parts */

/* nginx sends what is on this machine; to what is in a bucket the client is sent. */
static enum err sent(struct req *rq, const struct query *q)
{
	struct storage_object object;
	PGresult *res;
	enum err rc;

	req_set(rq, "counts", counts(rq) ? "true" : "false");
	rc = tx_call(&rq->tx, q, true, &res);
	if (rc)
		return rc;
	if (!PQntuples(res))
		return answer_not_found(rq, req_path_text(rq, "file_id"));
	object = (struct storage_object){
		.tenant_id = kept(rq, res, "tenant_id"),
		.id = kept(rq, res, "object_id"),
		.backend = kept(rq, res, "backend"),
		.content_type = kept(rq, res, "content_type"),
	};
	if (!storage_is_local(&object))
		return answer_redirect(rq, storage_download_url(&rq->tx.arena, &object,
								column_text(res, 0, "name"), REDIRECT_S));
	if (!storage_has(&rq->tx.arena, &object))
		return answer_not_found(rq, req_path_text(rq, "file_id"));
	req_set_header(rq, "Content-Type", kept(rq, res, "content_type"));
	req_set_header(rq, "Content-Disposition",
		       filename_disposition(&rq->tx.arena, true, column_text(res, 0, "name")));
	req_set_header(rq, "Cache-Control", "private, no-cache");
	req_set_header(rq, "X-Accel-Redirect",
		       storage_internal(&rq->tx.arena, column_text(res, 0, "object_id")));
	answer_open(rq);
	return answer_close(rq);
}

static enum err drive_send(struct req *rq)
{
	return sent(rq, &q_drive_send);
}

static enum err shared_send(struct req *rq)
{
	return sent(rq, &q_shared_send);
}

/* A list of what is not there would be an empty one. */
static enum err listed(struct req *rq, const char *field, const struct query *enter, const struct query *list)
{
	PGresult *res;
	enum err rc = req_text(rq, field) ? tx_call(&rq->tx, enter, false, &res) : ERR_OK;

	return rc ? rc : answer_rows(rq, list);
}

static enum err drive_list(struct req *rq)
{
	return listed(rq, "folder_id", &q_drive_folder_enter, &q_drive_list);
}

static enum err folder_list(struct req *rq)
{
	return listed(rq, "parent_id", &q_folder_parent_enter, &q_folder_list);
}

static enum err check_name(struct req *rq)
{
	const char *name = req_text(rq, "name");

	if (!strcmp(filename_clean(&rq->tx.arena, name), name))
		return ERR_OK;
	return req_fail_field(rq, ERR_VALIDATION, "name",
			      "name is a path, a device, or has characters that do not show");
}

static enum err folder_create(struct req *rq)
{
	enum err rc = check_name(rq);

	return rc ? rc : answer_rows(rq, &q_folder_create);
}

static enum err folder_rename(struct req *rq)
{
	enum err rc = check_name(rq);

	return rc ? rc : answer_rows(rq, &q_folder_rename);
}

static enum err tenant_file_update(struct req *rq)
{
	if (req_text(rq, "filename"))
		req_set(rq, "filename", filename_clean(&rq->tx.arena, req_text(rq, "filename")));
	return answer_rows(rq, &q_tenant_file_update);
}
