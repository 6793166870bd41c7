/* A folder whose file system has become read-only, as after an error of its disk: with the first byte of a shared file
 * set, every write below the folder fails with EROFS, through files that are open already as well. Locks and what is
 * mapped go on, as they do there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define FILES 65536
static volatile char *forbidden;
static const char *folder;
static size_t length;
static volatile char guarded[FILES];

__attribute__((constructor)) static void open_switch(void) {
    const char *path = getenv("READ_ONLY_SWITCH");
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int file = path ? real(path, O_RDONLY | O_CLOEXEC) : -1;
    folder = getenv("READ_ONLY_FOLDER");
    if (file < 0 || !folder) return;
    length = strlen(folder);
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) forbidden = page;
}

static int is_below(const char *path) { return folder && !strncmp(path, folder, length); }
static int refuses(int file) { return forbidden && *forbidden && file >= 0 && file < FILES && guarded[file]; }

static int opened(const char *name, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
    int below = is_below(path);
    if (below && forbidden && *forbidden && (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))) {
        errno = EROFS;
        return -1;
    }
    int file = real(path, flags, mode);
    if (file >= 0 && file < FILES) guarded[file] = below;
    return file;
}

#define OPEN(name)                                     \
    int name(const char *path, int flags, ...) {       \
        va_list more;                                  \
        va_start(more, flags);                         \
        mode_t mode = va_arg(more, mode_t);            \
        va_end(more);                                  \
        return opened(#name, path, flags, mode);       \
    }
OPEN(open)
OPEN(open64)

#define REFUSE(file)      \
    if (refuses(file)) {  \
        errno = EROFS;    \
        return -1;        \
    }

ssize_t write(int file, const void *bytes, size_t count) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    REFUSE(file)
    return real(file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
    REFUSE(file)
    return real(file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) { return pwrite64(file, bytes, count, at); }

int ftruncate64(int file, off64_t size) {
    static int (*real)(int, off64_t);
    if (!real) real = dlsym(RTLD_NEXT, "ftruncate64");
    REFUSE(file)
    return real(file, size);
}

int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

int unlink(const char *path) {
    static int (*real)(const char *);
    if (!real) real = dlsym(RTLD_NEXT, "unlink");
    if (forbidden && *forbidden && is_below(path)) {
        errno = EROFS;
        return -1;
    }
    return real(path);
}
