// File locks for SQLite, which is built with `fcntl` renamed to this.
//
// wasi-libc's fcntl knows no locks. Connections of one guest keep out of each other's way inside SQLite itself, as on
// every POSIX system; the host locks granted files against other processes.

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include "guest.h"

#ifndef F_RDLCK // as SQLite has them then
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define F_GETLK 12
#define F_SETLK 13
#define F_SETLKW 14
#endif

enum { SHARED, EXCLUSIVE, UNLOCK, QUERY };

__attribute__((import_module("keelback"), import_name("lock"))) int32_t keelback_lock(int32_t fd, int32_t kind, int64_t start,
                                                                                      int64_t length);

int kb_fcntl(int fd, int op, ...) {
  va_list arguments;
  va_start(arguments, op);
  int result;
  if (op == F_GETLK || op == F_SETLK || op == F_SETLKW) {
    struct flock *lock = va_arg(arguments, struct flock *);
    int kind = lock->l_type == F_UNLCK ? UNLOCK : lock->l_type == F_WRLCK ? EXCLUSIVE : SHARED;
    int error = keelback_lock(fd, op == F_GETLK ? QUERY : kind, lock->l_start, lock->l_len);
    if (op == F_GETLK && (error == 0 || error == EAGAIN)) {
      lock->l_type = error == 0 ? F_UNLCK : F_WRLCK;
      error = 0;
    }
    errno = error;
    result = error == 0 ? 0 : -1;
  } else {
    result = fcntl(fd, op, va_arg(arguments, int));
  }
  va_end(arguments);
  return result;
}
