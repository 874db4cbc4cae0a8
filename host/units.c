#include "host/units.h"

#include <string.h>
#include <systemd/sd-bus.h>

#include "lib/host/config.h"
#include "lib/host/log.h"

enum { CALL_US = 500000 };

const char *units_call(struct arena *a, const char *verb, const char *unit)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus *bus = NULL;
	const char *why = NULL;
	int rc;

	if (!strcmp(cfg.service_manager, "none"))
		return NULL;
	rc = sd_bus_open_system(&bus);
	if (rc >= 0)
		rc = sd_bus_set_method_call_timeout(bus, CALL_US);
	if (rc >= 0)
		rc = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
					"org.freedesktop.systemd1.Manager", verb, &error, NULL, "ss", unit,
					"replace");
	/* What is not loaded does not run. */
	if (rc < 0 && (strcmp(verb, "StopUnit") != 0 ||
		       !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))) {
		log_msg(LOG_WARNING, NULL, "%s %s: %s", verb, unit,
			error.message ? error.message : strerror(-rc));
		why = arena_fmt(a, "the service manager does not do it: %s",
				error.message ? error.message : strerror(-rc));
	}
	sd_bus_error_free(&error);
	sd_bus_flush_close_unref(bus);
	return why;
}
