/*
 * What no file may call; forced in front of every file by the Makefile.
 *
 * strcpy and its kin overrun, strtok and localtime keep hidden state, gmtime
 * returns shared storage.  Under handlers/ memory is the arena's and a process
 * does not end itself.
 */
#ifndef ASHLAR_BANNED_H
#define ASHLAR_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok gmtime localtime ctime asctime
#ifdef ASHLAR_HANDLER
#pragma GCC poison malloc calloc realloc free exit abort
#endif

#endif
