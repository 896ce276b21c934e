/* Faults on demand, loaded before the C library: the n-th operation that changes what is below a
 * folder fails, or the process is killed there, before it or in the middle of it.
 *
 * Counted are opening to write, write, fsync, rename, mkdir, unlink, rmdir, truncate. Names that
 * lead elsewhere are left alone. What the C library writes inside itself (fwrite) is not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, FAIL_ONCE, FAIL_FROM, KILL_BEFORE, KILL_WITHIN };

static char below[PATH_MAX];
static long moment, seen;
static int what, number;

void fault_arm(const char *folder, long n, int mode, int error)
{
    snprintf(below, sizeof below, "%s", folder);
    moment = n, what = mode, number = error, seen = 0;
}

long fault_count(void) { return seen; }

static int is_below(const char *path)
{
    return *below && !strncmp(path, below, strlen(below));
}

static int fd_is_below(int fd)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = *below ? readlink(link, path, sizeof path - 1) : -1;
    if (length < 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

static int at_is_below(int fd, const char *path)
{
    return *path == '/' || fd == AT_FDCWD ? is_below(path) : fd_is_below(fd);
}

/* 1: fail now; 2: be killed in the middle; 0: go on. freeing: a full disk allows it. */
static int strikes(int freeing)
{
    ++seen;
    if (what == FAIL_FROM && seen >= moment && !freeing)
        return errno = number, 1;
    if (seen != moment || what == COUNT || what == FAIL_FROM)
        return 0;
    if (what == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    return what == FAIL_ONCE ? (errno = number, 1) : 2;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CALL(type, counted, freeing, call)        \
    int how = (counted) ? strikes(freeing) : 0;   \
    if (how == 1)                                 \
        return -1;                                \
    type done = call;                             \
    if (how == 2)                                 \
        kill(getpid(), SIGKILL);                  \
    return done

#define OPENS (flags & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC))
#define MODE                        \
    va_list rest;                   \
    va_start(rest, flags);          \
    mode_t mode = va_arg(rest, mode_t); \
    va_end(rest)

int open(const char *path, int flags, ...)
{
    MODE;
    REAL(open);
    CALL(int, OPENS && is_below(path), 0, real(path, flags, mode));
}

int open64(const char *path, int flags, ...)
{
    MODE;
    REAL(open64);
    CALL(int, OPENS && is_below(path), 0, real(path, flags, mode));
}

int openat(int at, const char *path, int flags, ...)
{
    MODE;
    REAL(openat);
    CALL(int, OPENS && at_is_below(at, path), 0, real(at, path, flags, mode));
}

int openat64(int at, const char *path, int flags, ...)
{
    MODE;
    REAL(openat64);
    CALL(int, OPENS && at_is_below(at, path), 0, real(at, path, flags, mode));
}

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    int how = fd_is_below(fd) ? strikes(0) : 0;
    if (how == 1)
        return -1;
    if (how == 2) {
        real(fd, data, size / 2);
        kill(getpid(), SIGKILL);
    }
    return real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t where)
{
    REAL(pwrite);
    CALL(ssize_t, fd_is_below(fd), 0, real(fd, data, size, where));
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where)
{
    REAL(pwrite64);
    CALL(ssize_t, fd_is_below(fd), 0, real(fd, data, size, where));
}

int fsync(int fd)
{
    REAL(fsync);
    CALL(int, fd_is_below(fd), 0, real(fd));
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    CALL(int, fd_is_below(fd), 0, real(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    CALL(int, fd_is_below(fd), 0, real(fd, size));
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    CALL(int, is_below(to), 1, real(from, to));
}

int mkdir(const char *path, mode_t mode)
{
    extern int mkdir(const char *, mode_t);
    REAL(mkdir);
    CALL(int, is_below(path), 0, real(path, mode));
}

int unlink(const char *path)
{
    REAL(unlink);
    CALL(int, is_below(path), 1, real(path));
}

int unlinkat(int at, const char *path, int flags)
{
    REAL(unlinkat);
    CALL(int, at_is_below(at, path), 1, real(at, path, flags));
}

int rmdir(const char *path)
{
    REAL(rmdir);
    CALL(int, is_below(path), 1, real(path));
}
