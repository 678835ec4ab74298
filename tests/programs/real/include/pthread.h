#pragma once
// Thread-specific values and once-initialisation for a program with one thread.

#include <stddef.h>

#define PTHREAD_ONCE_INIT      0
#define PTHREAD_SINGLE_KEY_MAX 16

typedef int pthread_once_t;
typedef unsigned pthread_key_t;

int pthread_once(pthread_once_t *once, void (*init)(void));
int pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int pthread_setspecific(pthread_key_t key, const void *value);
void *pthread_getspecific(pthread_key_t key);
