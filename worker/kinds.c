#include "worker/kinds.h"

#include <string.h>

#include "worker/activity.h"
#include "worker/account_export.h"
#include "worker/activity_export.h"
#include "worker/billing.h"
#include "worker/billing_period.h"
#include "worker/contact_webhook.h"
#include "worker/deliver.h"
#include "worker/domains.h"
#include "worker/housework.h"
#include "worker/knowledge.h"
#include "worker/mail.h"
#include "worker/notifications.h"
#include "worker/products.h"
#include "worker/record_convert.h"
#include "worker/record_export.h"
#include "worker/record_geocode.h"
#include "worker/record_import.h"
#include "worker/records.h"
#include "worker/signup.h"
#include "worker/storage.h"
#include "worker/tasks.h"
#include "worker/topups.h"
#include "worker/trace_files.h"
#include "worker/traces.h"
#include "worker/webhook_in.h"
#include "worker/workspace.h"

static const struct job_kind mail_decoy = { .name = "mail.decoy" }; /* see handlers/mail.h */

/* clang-format off */
const struct job_kind *const job_kinds[] = {
	&job_noop,
	&job_noop_batch,
	&job_noop_sql,
	&job_retention,
	&job_memberships_end,
	&mail_decoy,
	&trace_files_job,
	&webhook_in_job,
	&mail_job,
	&contact_webhook_job,
	&notifications_job,
	&billing_look_job,
	&billing_retire_job,
	&billing_period_job,
	&billing_reconcile_job,
	&billing_do_job,
	&billing_remind_job,
	&topup_job,
	&topups_sweep_job,
	&storage_remove_job,
	&storage_expire_job,
	&storage_compare_job,
	&file_text_job,
	&traces_expire_job,
	&traces_forget_job,
	&traces_sum_job,
	&records_remove_job,
	&signup_job,
	&signup_sweep_job,
	&account_export_job,
	&activity_export_job,
	&activity_exports_job,
	&activity_months_job,
	&record_export_job,
	&record_geocode_job,
	&record_import_job,
	&record_convert_job,
	&record_undo_job,
	&record_uploads_job,
	&workspace_migrate_job,
	&records_give_job,
	&records_fill_job,
	&records_fill_all_job,
	&record_runs_job,
	&records_place_job,
	&tasks_due_job,
	&brand_sync_job,
	&product_archive_job,
	&records_unique_job,
	&domains_due_job,
	&domain_check_job,
	NULL,
};

const struct job_schedule job_schedules[] = {
	{ .queue = "ashlar", .kind = "jobs.retention", .every_ms = 600000 },
	{ .queue = "ashlar", .kind = "billing.reconcile", .every_ms = 86400000 },
	{ .queue = "ashlar", .kind = "storage.expire", .every_ms = 3600000 },
	{ .queue = "ashlar", .kind = "storage.compare", .every_ms = 86400000 },
	{ .queue = "ashlar", .kind = "billing.remind", .every_ms = 3600000 },
	{ .queue = "ashlar", .kind = "topups.sweep", .every_ms = 600000 },
	{ .queue = "ashlar", .kind = "traces.expire", .every_ms = 3600000 },
	{ .queue = "ashlar", .kind = "traces.sum", .every_ms = 60000, .is_wanted = traces_are_summed },
	{ .queue = "ashlar", .kind = "notifications", .every_ms = 15000 },
	{ .queue = "ashlar", .kind = "memberships.end", .every_ms = 15000 },
	{ .queue = "ashlar", .kind = "signup.sweep", .every_ms = 30000 },
	{ .queue = "ashlar", .kind = "activity.exports", .every_ms = 60000 },
	{ .queue = "ashlar", .kind = "record.uploads", .every_ms = 600000 },
	{ .queue = "ashlar", .kind = "activity.months", .every_ms = 3600000 },
	{ .queue = "ashlar", .kind = "records.fill_all", .every_ms = 600000 },
	{ .queue = "ashlar", .kind = "record.runs", .every_ms = 60000 },
	{ .queue = "ashlar", .kind = "tasks.due", .every_ms = 60000 },
	{ .queue = "ashlar", .kind = "domains.due", .every_ms = 3600000 },
	{ NULL },
};

const struct worker_lane worker_lanes[] = {
	{ "ashlar.webhooks", deliver_run },
	{ NULL, NULL },
};
/* clang-format on */

const struct job_kind *kinds_find(const char *name)
{
	for (const struct job_kind *const *k = job_kinds; *k; k++)
		if (!strcmp((*k)->name, name))
			return *k;
	return NULL;
}
