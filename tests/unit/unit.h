/*
 * What every cmocka test includes, in the order cmocka wants.
 */
#ifndef FREELLM_UNIT_H
#define FREELLM_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
