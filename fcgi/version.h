/*
 * The version of the program: of `ashlar version`, the API reference and outbound
 * requests.  It follows semantic versioning, of what CHANGELOG.md says is promised;
 * its first heading is the same one.  X-API-Version is another matter (fcgi/surface.h).
 */
#ifndef ASHLAR_VERSION_H
#define ASHLAR_VERSION_H

#define ASHLAR_VERSION "0.11.0"

#endif
