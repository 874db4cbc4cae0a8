/* The version of the program: of `ashlar version`, the API reference and outbound requests. */
#ifndef ASHLAR_VERSION_H
#define ASHLAR_VERSION_H

#define ASHLAR_VERSION "0.1.0"

#endif
